// What is known of the chosen node, and of the document as a whole.

const panel = byId('panel');
const nodePart = make('div', { id: 'node-facts', 'aria-live': 'polite' });
const LONGEST = 2000;

const isObject = value => typeof value === 'object' && value !== null && !Array.isArray(value);
/** A value of JSON as text: lists in a line, an object's values by their names, a line each; what lies deeper as it is written. */
function told(value) {
  const short = one => typeof one === 'object' ? JSON.stringify(one) : String(one);
  const text = Array.isArray(value) ? value.map(short).join('; ')
    : isObject(value) ? Object.entries(value).map(([name, one]) => `${name.replaceAll('_', ' ')}: ${Array.isArray(one) ? one.map(short).join('; ') : short(one)}`).join('\n')
    : String(value);
  return text.length > LONGEST ? text.slice(0, LONGEST) + '…' : text;
}

function facts(pairs) {
  const list = make('dl');
  for (const [name, value] of pairs)
    if (value !== null && value !== undefined && value !== '')
      list.append(make('dt', {}, name), make('dd', { dir: 'auto' }, value instanceof Node ? value : told(value)));
  return list;
}

function bar(share, words, name = 'plain') {
  const inner = make('span', { className: `fill ${name}` });
  inner.style.width = `${Math.round(100 * Math.min(Math.max(share, 0), 1))}%`;
  return make('span', { className: 'meter' }, make('span', { className: 'rail', 'aria-hidden': 'true' }, inner), words);
}

function headingPath(row) {
  const path = [];
  for (let above = data.parent[row]; above >= 0; above = data.parent[above])
    if (kindOf(above) === 'section' && above + 1 < N && kindOf(above + 1) === 'heading' && above + 1 !== row) path.push(textOf(above + 1));
  return path.reverse().join(' › ');
}

function roleWords(row) {
  if (!roleName(row)) return '';
  return roleFrom[row] === row ? roleName(row) : `${roleName(row)}, from the ${kindOf(roleFrom[row])} above (row ${roleFrom[row]})`;
}

function seenWords(layout) {
  if (layout.visible === undefined) return '';
  return layout.visible ? 'yes' : `no: ${layout.reason}`;
}

function showInPanel(row) {
  const [from, to] = charSpan(row), layout = layoutOf(row), box = data.boxes[row], above = data.parent[row];
  const { layout: _, patches: grid, ...attributes } = attributesOf(row);
  const offsets = data.sources && data.sources.offsets && data.sources.offsets[2 * row] >= 0
    ? `${data.sources.offsets[2 * row]} to ${data.sources.offsets[2 * row + 1]}` : '';
  const links = data.marks.filter(mark => mark[2] === 'link' && mark[4] === row).slice(0, 50)
    .map(([a, b, , href]) => `${data.text.slice(a, b)} → ${href}`).join('\n');
  const score = data.score && data.score[row] !== null ? bar(data.score[row], data.score[row].toFixed(2)) : null;
  const value = evidence ? valueOf(row) : null;
  const image = data.images[row];
  const warnings = data.warnings.filter(warning => warning[2] === row).map(warning => warning[1]).join('\n');
  nodePart.replaceChildren(
    make('h2', {}, kindOf(row), make('small', {}, ` row ${row}`)),
    make('p', { className: 'quote', dir: 'auto' }, wordsOf(row, 400) || '(no text)'),
    facts([
      ['Role', roleWords(row)],
      ['Main content', score],
      ['Section', headingPath(row)],
      ['Key or cell', keyOf(row)],
      ['Evidence', value === null ? null : bar(Math.abs(value) / state.strongest, `${signed(value)} ${isValue ? 'to' : 'for'} ${evidence.classes[state.chosenClass]}`, value < 0 ? 'against' : 'for')],
      ['Span', `${from} to ${to}, ${to - from} characters`],
      ['Children', childCount[row] ? `${childCount[row]} on a ${data.domains[data.domain[row]]}, ${ends[row] - row - 1} nodes below` : ''],
      ['Image', image ? image.problem || `${image.width} × ${image.height}` : ''],
      ['Patches', grid ? `${grid.rows} × ${grid.columns}` : ''],
      ['Seen', seenWords(layout)],
      ['Box', box ? box.map(side => Math.round(side)).join(', ') + ' px' : ''],
      ['Letters', layout.font_size ? `${layout.font_size} of the body's size, ${layout.font_weight} of its weight` : ''],
      ['Position', layout.position],
      ['Element', xpathOf(row)],
      ['Offsets', offsets],
      ['Links', links],
      ['Warnings', warnings],
      ...Object.entries(attributes).filter(([, one]) => one !== false),
    ]));
  if (above >= 0) nodePart.append(make('p', {}, 'In ', nodeButton(above)));
}

function table(caption, head, lines) {
  const body = make('tbody', {}, ...lines.map(cells => make('tr', {}, ...cells.map(cell => make('td', { dir: 'auto' }, cell)))));
  return make('table', {}, make('caption', {}, caption), make('thead', {}, make('tr', {}, ...head.map(name => make('th', { scope: 'col' }, name)))), body);
}

function part(name, open, ...children) {
  return make('details', { open }, make('summary', {}, name), ...children);
}

function passagesPart() {
  const list = make('ol');
  data.query.passages.forEach(([from, , score], place) => {
    const row = rowAt(from);
    list.append(make('li', {}, nodeButton(blockOf(row), data.text.slice(from, from + 160).replace(/\s+/g, ' ')), make('small', {}, ` ${score.toFixed(2)}`)));
    if (!place) state.first = blockOf(row);
  });
  return part(`Answers to “${data.query.text}”`, true, data.query.passages.length ? list : make('p', {}, 'Nothing in the document holds these words.'));
}

const blockOf = row => kindOf(row) === 'sentence' && data.parent[row] >= 0 ? data.parent[row] : row;

const MOST_CLASSES = 8;
/** A line a class with its probability, or the value of a regression. */
function said() {
  if (isValue) return [make('p', { className: 'class' }, `${evidence.classes[0]}: `, make('b', {}, valueWords()))];
  const lines = ranked.slice(0, Math.max(MOST_CLASSES, given.length)).map(place => make('p', { className: 'class' },
    bar(evidence.probabilities[place], make('span', {}, `${evidence.probabilities[place].toFixed(3)} `,
      make(given.includes(place) ? 'b' : 'span', {}, evidence.classes[place]), given.includes(place) ? ' (predicted)' : ''))));
  if (ranked.length > lines.length) lines.push(make('p', { className: 'note' }, `and ${ranked.length - lines.length} less probable ones.`));
  if (!given.length) lines.push(make('p', {}, 'No label reaches the probability from which the model gives it.'));
  return lines;
}

const evidenceHost = make('div');
function showEvidence() {
  const order = [...finest].sort((a, b) => valueOf(b) - valueOf(a));
  const side = (name, rows) => rows.length
    ? [make('h3', {}, name), make('ol', {}, ...rows.map(row => make('li', {}, nodeButton(row, wordsOf(row, 100), make('span', { className: valueOf(row) < 0 ? 'value against' : 'value for' }, signed(valueOf(row))), ' '))))] : [];
  const name = evidence.classes[state.chosenClass];
  evidenceHost.replaceChildren(
    ...said(),
    ...evidence.notes.map(note => make('p', {}, note)),
    ...(finest.length ? [] : [make('p', {}, 'The document has a single part with content: none can be left out, so that there is no evidence of parts.')]),
    ...side(isValue ? `Raises ${name}` : `Speaks for ${name}`, order.filter(row => valueOf(row) > 0).slice(0, 8)),
    ...side(isValue ? 'Lowers it' : 'Speaks against it', order.reverse().filter(row => valueOf(row) < 0).slice(0, 8)),
    finest.length ? make('p', { className: 'note' }, evidence.method) : '');
}

const attentionHost = make('div', { 'aria-live': 'polite' }), layerChoice = make('select');
function showAttention(row) {
  const levels = looks(row);
  attentionHost.replaceChildren(...levels.flatMap(([at, shares]) => {
    const rest = 1 - shares.reduce((sum, [, share]) => sum + share, 0);
    const lines = shares.slice(0, 8).map(([to, share]) => make('li', {}, bar(share, `${(100 * share).toFixed(0)} %`, 'looks'), ' ', to === at ? 'itself' : nodeButton(to, wordsOf(to, 60))));
    const others = rest + shares.slice(8).reduce((sum, [, share]) => sum + share, 0);
    if (others > 0.005) lines.push(make('li', {}, bar(others, `${(100 * others).toFixed(0)} %`), ' elsewhere'));
    return [make('h3', {}, at === row ? 'This ' : 'The ', `${kindOf(at)} ${at === row ? '' : 'above '}looks at`), make('ol', {}, ...lines)];
  }));
  if (!levels.length) attentionHost.append(make('p', {}, row > 0 ? 'It has no siblings to look at, nor has anything above it.' : 'Choose a node below the root.'));
}

function attentionPart() {
  layerChoice.append(make('option', { value: -1 }, 'all layers'));
  for (let layer = 0; layer < layers; layer++) layerChoice.append(make('option', { value: layer }, `layer ${layer + 1}`));
  layerChoice.addEventListener('change', () => { state.layer = Number(layerChoice.value); shadeLooks(); showAttention(Math.max(state.selected, 0)); });
  showAttention(0);
  return part('Where it looks', true, make('label', {}, 'Layer ', layerChoice), attentionHost, make('p', { className: 'note' }, attention.method));
}

function makePanel() {
  panel.append(nodePart);
  if (evidence) panel.append(part('What the model says', true, evidenceHost));
  if (data.query) panel.append(passagesPart());
  if (attention) panel.append(attentionPart());
  const chosen = new Map(data.metadata.map(([name, value]) => [name, told(value)]));
  panel.append(part('Metadata', !evidence && !data.query, facts(data.metadata)));
  if (data.candidates.length)
    panel.append(part(`Where metadata was found (${data.candidates.length})`, false, table('All values, and their sources', ['Field', 'Value', 'Source'],
      data.candidates.slice(0, 300).map(([field, value, source]) => [field, make(chosen.get(field) === value ? 'b' : 'span', {}, told(value)), source]))));
  const general = data.warnings.map(([code, message, row]) => row >= 0
    ? make('li', {}, `${code}: ${message} `, nodeButton(Math.min(row, N - 1))) : make('li', {}, `${code}: ${message}`));
  if (data.truncated) general.unshift(make('li', {}, 'The document was cut at a limit.'));
  panel.append(part(`Warnings (${general.length})`, general.length > 0 && general.length < 4, general.length ? make('ul', {}, ...general) : make('p', {}, 'None.')));
  if (data.roles.length)
    panel.append(part('Roles', false, make('ul', { className: 'legend' }, ...data.roles.map(role => make('li', {}, make('span', { className: 'role', 'data-role': role }, role))))));
}
