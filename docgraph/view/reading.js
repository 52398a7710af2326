// The document as it reads: one element a node, made some thousand at a time, so that a long page is there at once.

const reading = byId('reading');
const elementOf = new Array(N);
const DEEPEST = 120, AT_ONCE = 3000, MOST_CELLS = 50000;
reading.classList.toggle('large', N > 20000);
const TAGS = {
  paragraph: 'p', sentence: 'span', section: 'section', item: 'li', term: 'dt', definition: 'dd', figure: 'figure',
  quote: 'blockquote', code: 'pre', group: 'div', caption: 'p', credit: 'p', rule: 'hr',
};
const MARKS = {
  strong: 'strong', emphasis: 'em', code: 'code', subscript: 'sub', superscript: 'sup', deleted: 'del', inserted: 'ins',
};
const marks = data.marks.map(([from, to, type, href]) => ({ from, to, type, href }));
if (data.query)
  for (const passage of data.query.passages)
    for (const [from, to] of passage[3]) marks.push({ from, to, type: 'hit', href: null });
marks.sort((a, b) => a.from - b.from || b.to - a.to);

const building = { row: 0, open: [], cursor: new Int32Array(N), nextMark: 0, marks: [], domDepth: new Int32Array(N), grids: {} };

function tagOf(row) {
  const kind = kindOf(row), attributes = attributesOf(row);
  if (kind === 'heading') return 'h' + Math.min(Math.max(Number(attributes.level) || 1, 1) + 1, 6);
  if (kind === 'list') return attributes.definitions ? 'dl' : attributes.ordered ? 'ol' : 'ul';
  if (kind === 'table') return data.domains[data.domain[row]] === 'grid' && childCount[row] ? 'table' : 'div';
  if (kind === 'cell') return building.grids[data.parent[row]] ? (attributes.header ? 'th' : 'td') : 'div';
  return Object.hasOwn(TAGS, kind) ? TAGS[kind] : 'div';
}

/** Write data.text[from:to] into an element, with the marks over it. Called in the order of the text. */
function writeText(into, from, to) {
  if (from >= to) return;
  while (building.nextMark < marks.length && marks[building.nextMark].from < to) building.marks.push(marks[building.nextMark++]);
  building.marks = building.marks.filter(mark => mark.to > from);
  const over = building.marks.filter(mark => mark.from < to);
  if (!over.length) {
    into.append(data.text.slice(from, to));
    return;
  }
  const cuts = [...new Set([from, to, ...over.flatMap(mark => [mark.from, mark.to])])]
    .filter(cut => cut >= from && cut <= to).sort((a, b) => a - b);
  for (let place = 0; place + 1 < cuts.length; place++) {
    let host = into;
    for (const mark of over.filter(mark => mark.from <= cuts[place] && mark.to >= cuts[place + 1]).slice(0, 12)) {
      const made = mark.type === 'link' ? make('span', { className: 'link', title: mark.href || '' })
        : mark.type === 'hit' ? make('mark') : make(Object.hasOwn(MARKS, mark.type) ? MARKS[mark.type] : 'span');
      host.append(made);
      host = made;
    }
    host.append(data.text.slice(cuts[place], cuts[place + 1]));
  }
}

/** Write the text of a node that stands before one of its children, or at its end. */
function writeOwn(row, to) {
  const from = building.cursor[row], element = elementOf[row];
  building.cursor[row] = Math.max(from, to);
  const text = data.text.slice(from, to);
  if (childCount[row] && !text.trim()) {
    if (text && element.localName === 'p') element.append(' ');
  } else if (element.localName !== 'hr' && element.localName !== 'table') writeText(element, from, to);
}

/** What is wider than the pane scrolls by itself, and takes the focus then, for the arrow keys. */
const wides = new ResizeObserver(entries => {
  for (const { target } of entries) {
    const wide = target.closest('.wide');
    wide.tabIndex = wide.scrollWidth > wide.clientWidth ? 0 : -1;
  }
});

/** Give a table its own scrolling. */
function widened(table) {
  const wide = make('div', { className: 'wide', role: 'group', ariaLabel: 'Table' }, table);
  wides.observe(wide);
  wides.observe(table);
  return wide;
}

const LONG_CELL = 40, UNBROKEN = /\S{40}/;
/** A cell is as wide as its longest word at least; one of many words gets room for some of them a line. */
function roomOf(row) {
  if (end(row) - start(row) <= LONG_CELL) return '';
  return UNBROKEN.test(textOf(row)) ? ' long unbroken' : ' long';
}

/** Put a cell at its place in a table, with empty cells before it where the document has none. */
function placeCell(table, row, cell) {
  const [y, x] = [data.position[2 * row], data.position[2 * row + 1]], grid = building.grids[table];
  const attributes = attributesOf(row);
  const size = (value, most) => Math.min(Math.max(Number(value) || 1, 1), most);
  cell.className += roomOf(row);
  cell.rowSpan = size(attributes.row_span, 1000);
  cell.colSpan = size(attributes.column_span, 1000);
  if (y !== grid.y || !grid.line) {
    grid.line = make('tr');
    grid.x = 0;
    grid.y = y;
    elementOf[table].append(grid.line);
  }
  for (; grid.x < x && grid.filled < MOST_CELLS; grid.x++) {
    if (grid.taken.has(`${y} ${grid.x}`)) continue;
    grid.line.append(make('td'));
    grid.filled++;
  }
  for (let down = 1; down < cell.rowSpan; down++)
    for (let across = 0; across < cell.colSpan && grid.filled < MOST_CELLS; across++, grid.filled++)
      grid.taken.add(`${y + down} ${x + across}`);
  grid.x = x + cell.colSpan;
  grid.line.append(cell);
}

function makeImage(row) {
  const image = data.images[row] || { problem: 'not there' }, attributes = attributesOf(row), alt = String(attributes.alt || '');
  if (!image.src)
    return make('div', { className: 'missing', title: image.problem }, `image: ${alt || attributes.src || 'without a source'}`);
  const shown = make('img', { src: image.src, alt: alt || 'image', width: image.width, height: image.height, loading: 'lazy', decoding: 'async' });
  const wrap = make('div', { className: 'picture' }, shown);
  if (attributes.patches) wrap.append(patchGrid(attributes.patches));
  return wrap;
}

/** A grid of patches over an image. */
function patchGrid({ rows, columns }) {
  const canvas = make('canvas', { className: 'patches', width: columns * 12, height: rows * 12, 'aria-hidden': 'true' });
  const draw = canvas.getContext('2d');
  draw.strokeStyle = '#8888';
  for (let x = 0; x <= columns; x++) draw.strokeRect(x * 12, 0, 0, rows * 12);
  for (let y = 0; y <= rows; y++) draw.strokeRect(0, y * 12, columns * 12, 0);
  return canvas;
}

/** From which side a node's text runs, by its first letter, or as what it stands in: dir=auto sees no letters in elements that have one. */
const LETTER = /\p{L}/u, FROM_RIGHT = /[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\u{10800}-\u{10fff}\u{1e800}-\u{1efff}]/u;
function directionOf(row) {
  const letter = LETTER.exec(data.text.slice(start(row), Math.min(end(row), start(row) + 400)));
  return letter ? (FROM_RIGHT.test(letter[0]) ? 'rtl' : 'ltr') : '';
}

function openRow(row) {
  const above = data.parent[row];
  const element = elementOf[row] = kindOf(row) === 'image' ? makeImage(row) : make(tagOf(row));
  element.docRow = row;
  if (kindOf(row) !== 'sentence') element.dir = directionOf(row);
  const key = above >= 0 && data.domains[data.domain[above]] === 'keyed' ? keyOf(row) : '';
  element.className += ` kind-${Object.hasOwn(TAGS, kindOf(row)) ? kindOf(row) : 'other'}`;
  if (data.role[row] >= 0) element.dataset.role = data.roles[data.role[row]];
  if (layoutOf(row).visible === false) element.classList.add('unseen');
  if (key) element.dataset.key = key;
  if (element.localName === 'table') building.grids[row] = { y: -1, x: 0, line: null, taken: new Set(), filled: 0 };
  building.cursor[row] = start(row);
  building.open.push(row);
  if (above < 0) {
    reading.append(building.grids[row] ? widened(element) : element);
    if (!data.text.trim() && !Object.keys(data.images).some(image => Number(image) !== screenshotRow))
      reading.append(make('p', { className: 'note' }, 'The document has neither text nor images.'));
    return;
  }
  const flat = building.domDepth[above] >= DEEPEST;
  building.domDepth[row] = building.domDepth[above] + (flat ? 0 : 1);
  if (row === screenshotRow) return;
  writeOwn(above, start(row));
  if (building.grids[above] && kindOf(row) === 'cell') placeCell(above, row, element);
  else if (building.grids[above]) elementOf[above].parentNode.before(element);
  else (flat ? elementOf[above].parentNode || reading : elementOf[above]).append(building.grids[row] ? widened(element) : element);
}

function closeLast() {
  const row = building.open.pop();
  writeOwn(row, end(row));
  if (data.parent[row] >= 0) building.cursor[data.parent[row]] = Math.max(building.cursor[data.parent[row]], end(row));
}

/** Make the elements up to a row. */
function build(upTo) {
  while (building.row < Math.min(upTo, N)) {
    const row = building.row++;
    while (building.open.length && building.open.at(-1) !== data.parent[row]) closeLast();
    openRow(row);
    if (row === state.selected) markSelected(row);
  }
  if (building.row >= N) while (building.open.length) closeLast();
}

function markSelected(row) {
  elementOf[row]?.classList.add('selected');
}

/** Make some elements now and the rest whenever the browser has nothing else to do. */
function buildOn() {
  const from = building.row;
  build(from + AT_ONCE);
  shadeRows(from, building.row);
  document.documentElement.dataset.ready = 'true';
  if (building.row < N) 'requestIdleCallback' in window ? requestIdleCallback(buildOn) : setTimeout(buildOn, 50);
}

function showInReading(before, row, from) {
  elementOf[before]?.classList.remove('selected');
  if (row >= building.row) {
    const first = building.row;
    build(row + 1);
    shadeRows(first, building.row);
  }
  markSelected(row);
  if (from !== 'reading') elementOf[row]?.scrollIntoView({ block: 'nearest' });
}

/** The node that an element of the document stands for. */
function rowOfElement(element) {
  while (element && element !== reading && element.docRow === undefined) element = element.parentElement;
  return element && element !== reading ? element.docRow : -1;
}

reading.addEventListener('click', event => {
  const row = rowOfElement(event.target);
  if (row >= 0) select(row, 'reading');
});
reading.addEventListener('mouseover', event => hover(rowOfElement(event.target)));
reading.addEventListener('mouseleave', () => hover(-1));

// -- colours ---------------------------------------------------------------------------------------------------------

/** How strongly and in which colour a node is shown; null for none. */
function shadeOf(row) {
  if (state.shade === 'score' && data.score && data.score[row] !== null && (!childCount[row] || kindOf(row + 1) === 'sentence'))
    return { name: 'score', strength: data.score[row] };
  if (state.shade === 'evidence' && finestSet.has(row)) {
    const value = valueOf(row);
    return { name: value >= 0 ? 'for' : 'against', strength: Math.abs(value) / state.strongest };
  }
  if (state.shade === 'attention' && looked.has(row)) return { name: 'looks', strength: looked.get(row) };
  return null;
}
const finestSet = new Set(finest);

/** What the chosen node and those above it look at, relative to the strongest look at a sibling. */
let looked = new Map();
function shadeLooks() {
  const before = looked, chosen = Math.max(state.selected, 0);
  looked = new Map();
  if (attention && state.shade === 'attention')
    for (const [at, shares] of looks(chosen)) for (const [to, share] of shares) if (to !== at) looked.set(to, share);
  const most = Math.max(...looked.values());
  for (const [row, share] of looked) looked.set(row, share / most);
  for (const row of [...before.keys(), ...looked.keys()]) shadeRows(row, row + 1);
  if (state.shade === 'attention') drawOverlay();
}

function shadeRows(from, to) {
  for (let row = from; row < to; row++) {
    const element = elementOf[row], shade = state.shade === 'none' || state.shade === 'roles' ? null : shadeOf(row);
    if (!element) continue;
    if (shade) {
      element.dataset.shade = shade.name;
      element.style.setProperty('--strength', `${Math.round(100 * shade.strength)}%`);
    } else if (element.dataset.shade) delete element.dataset.shade;
  }
}
