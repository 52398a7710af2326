// The document as columns, what follows from them, and the state that all parts of the page share.

const data = JSON.parse(document.getElementById('data').textContent);
const N = data.parent.length;
const byId = id => document.getElementById(id);

const depth = new Int32Array(N), ends = new Int32Array(N), childCount = new Int32Array(N), ordinal = new Int32Array(N);
const roleOf = new Int16Array(N), roleFrom = new Int32Array(N);
for (let row = 0; row < N; row++) {
  const above = data.parent[row];
  ends[row] = row + 1;
  if (above >= 0) {
    depth[row] = depth[above] + 1;
    ordinal[row] = childCount[above]++;
  }
  const own = data.role[row] >= 0 || above < 0;
  roleOf[row] = own ? data.role[row] : roleOf[above];
  roleFrom[row] = own ? row : roleFrom[above];
}
for (let row = N - 1; row > 0; row--) ends[data.parent[row]] = Math.max(ends[data.parent[row]], ends[row]);

const start = row => data.span[2 * row], end = row => data.span[2 * row + 1];
const charSpan = row => (data.char_span || data.span).slice(2 * row, 2 * row + 2);
const textOf = row => data.text.slice(start(row), end(row));
const kindOf = row => data.kinds[data.kind[row]];
const roleName = row => roleOf[row] < 0 ? '' : data.roles[roleOf[row]];
const attributesOf = row => data.attributes[row] || {};
const layoutOf = row => attributesOf(row).layout || {};
const isWithin = (row, above) => row >= above && row < ends[above];
const screenshotRow = Object.keys(data.attributes).map(Number).find(row => attributesOf(row).screenshot === true) ?? -1;

/** The deepest node at a place in the text: leaves begin in the order of their rows. */
const textLeaves = [];
for (let row = 0; row < N; row++) if (!childCount[row] && start(row) < end(row)) textLeaves.push(row);
function rowAt(place) {
  let low = 0, high = textLeaves.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (start(textLeaves[middle]) <= place) low = middle + 1; else high = middle;
  }
  return low ? textLeaves[low - 1] : 0;
}

function xpathOf(row) {
  if (!data.sources || data.sources.element[row] < 0) return null;
  const steps = [];
  for (let element = data.sources.element[row]; element >= 0; element = data.sources.parent[element])
    steps.push(data.sources.step[element]);
  return '/' + steps.reverse().join('/');
}

/** What a node is called in one line: its text, an image's description, the title of the whole. */
function wordsOf(row, most = 120) {
  const attributes = attributesOf(row);
  if (kindOf(row) === 'image') return String(attributes.alt || attributes.src || '').slice(0, most);
  if (row === 0) return byId('title').textContent.slice(0, most);
  if (childCount[row] && kindOf(row) === 'section') {
    const first = row + 1;
    return kindOf(first) === 'heading' ? textOf(first).slice(0, most) : '';
  }
  const words = data.text.slice(start(row), Math.min(end(row), start(row) + most + 1)).replace(/\s+/g, ' ');
  return words.length > most ? words.slice(0, most) + '…' : words;
}

function keyOf(row) {
  const above = data.parent[row];
  if (above < 0) return '';
  const domain = data.domains[data.domain[above]];
  if (domain === 'keyed') return data.keys[data.position[2 * row]];
  return domain === 'grid' ? `(${data.position[2 * row]}, ${data.position[2 * row + 1]})` : '';
}

// -- evidence ------------------------------------------------------------------------------------------------------

const evidence = data.evidence || null;
const isValue = evidence !== null && evidence.problem === 'regression';
const judgedAt = new Int32Array(N).fill(-1);
if (evidence) evidence.rows.forEach((row, place) => { judgedAt[row] = place; });
const ranked = evidence ? evidence.classes.map((_, place) => place)
  .sort((a, b) => evidence.probabilities[b] - evidence.probabilities[a]) : [];
const state = { selected: -1, hovered: -1, chosenClass: ranked.length ? ranked[0] : -1, shade: 'none' };
/** The classes that the model gives, in words: some of several, the most probable, or a value. */
const given = !evidence || isValue ? [] : (evidence.given || [evidence.classes[ranked[0]]]).map(name => evidence.classes.indexOf(name));
const isOffTopic = evidence !== null && evidence.notes.some(note => note.startsWith('Off topic'));
const valueWords = () => { const [value] = evidence.probabilities; return Math.abs(value) < 0.01 && value ? value.toPrecision(3) : value.toFixed(3); };
function saidInShort() {
  const [first] = evidence.classes, shown = given.slice(0, 3).map(place => evidence.classes[place]).join(', ');
  const said = isValue ? `${first}: ${valueWords()}` : shown ? `Model: ${shown}${given.length > 3 ? ', …' : ''}` : 'Model: none of its labels';
  return said + (isOffTopic ? ' (off topic)' : '');
}
const valueOf = row => judgedAt[row] < 0 ? null : evidence.values[judgedAt[row]][state.chosenClass];
/** Nodes that were judged and hold none that was: what is coloured, so that no word is coloured twice. */
const finest = [];
if (evidence) {
  const holds = new Uint8Array(N);
  for (let row = N - 1; row >= 0; row--) {
    if (judgedAt[row] >= 0 && !holds[row] && row > 0) finest.push(row);
    if ((judgedAt[row] >= 0 || holds[row]) && row > 0) holds[data.parent[row]] = 1;
  }
  finest.reverse();
}
const strongest = () => finest.reduce((most, row) => Math.max(most, Math.abs(valueOf(row))), 1e-9);
const signed = value => (value > 0 ? '+' : value < 0 ? '−' : '') + Math.abs(value).toFixed(3);

// -- attention: of each node to itself and its siblings ---------------------------------------------------------------

const attention = data.attention || null;
const edgesOf = new Map();
if (attention) attention.row.forEach((row, edge) => { if (!edgesOf.has(row)) edgesOf.set(row, []); edgesOf.get(row).push(edge); });
const layers = attention && attention.share.length ? attention.share[0].length : 0;
state.layer = -1;
/** The share of an edge in the chosen layer, or its mean over all. */
const shareOf = edge => state.layer < 0 ? attention.share[edge].reduce((sum, one) => sum + one, 0) / layers : attention.share[edge][state.layer];
/** The node and those above it that look at siblings, from the node up: [node, [[what it looks at, share]...]]. */
function looks(row) {
  const levels = [];
  for (let at = row; at > 0; at = data.parent[at])
    if (edgesOf.has(at)) levels.push([at, edgesOf.get(at).map(edge => [attention.to[edge], shareOf(edge)]).sort((a, b) => b[1] - a[1])]);
  return levels;
}

// -- elements, always with text and never with markup ---------------------------------------------------------------

/** Make an element. What is a property of elements is set as one, the rest as attributes; children are text or elements. */
function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter(child => child !== null && child !== ''));
  return element;
}

/** A button that selects a node. */
function nodeButton(row, words = wordsOf(row, 80), ...before) {
  const button = make('button', { type: 'button', className: 'node' },
    ...before, make('b', {}, kindOf(row)), ' ', make('bdi', {}, words));
  button.addEventListener('click', () => select(row, 'panel'));
  return button;
}
