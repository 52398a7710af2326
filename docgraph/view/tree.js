// The tree as a list of which only what is in sight is there: a hundred thousand nodes scroll like a hundred.

const tree = byId('tree'), rowsHost = byId('rows');
const HEIGHT = 24, SPARE = 8;
const expanded = new Uint8Array(N);
let visible = [], placeOf = new Int32Array(N).fill(-1), drawn = [-1, -1];

function refresh() {
  visible = [];
  placeOf.fill(-1);
  for (let row = 0; row < N;) {
    placeOf[row] = visible.length;
    visible.push(row);
    row = expanded[row] ? row + 1 : ends[row];
  }
  rowsHost.style.height = `${visible.length * HEIGHT}px`;
  byId('count').textContent = `${N.toLocaleString('en')} nodes`;
  draw(true);
}

function draw(again = false) {
  const first = Math.max(Math.floor(tree.scrollTop / HEIGHT) - SPARE, 0);
  const last = Math.min(Math.ceil((tree.scrollTop + tree.clientHeight) / HEIGHT) + SPARE, visible.length);
  if (!again && first === drawn[0] && last === drawn[1]) return;
  drawn = [first, last];
  const lines = [];
  for (let place = first; place < last; place++) lines.push(line(visible[place], place));
  rowsHost.replaceChildren(...lines);
  const active = state.selected >= 0 && byId(`node-${state.selected}`);
  if (active) tree.setAttribute('aria-activedescendant', active.id);
  else tree.removeAttribute('aria-activedescendant');
}

function line(row, place) {
  const item = make('div', { id: `node-${row}`, className: 'line', role: 'treeitem' });
  item.setAttribute('aria-level', depth[row] + 1);
  item.setAttribute('aria-setsize', row ? childCount[data.parent[row]] : 1);
  item.setAttribute('aria-posinset', ordinal[row] + 1);
  item.setAttribute('aria-selected', row === state.selected);
  if (childCount[row]) item.setAttribute('aria-expanded', Boolean(expanded[row]));
  item.style.top = `${place * HEIGHT}px`;
  item.style.paddingInlineStart = `${4 + 14 * Math.min(depth[row], 16)}px`;
  item.docRow = row;
  if (row === state.hovered) item.classList.add('hovered');
  if (layoutOf(row).visible === false) item.classList.add('unseen');
  item.append(make('span', { className: 'twist', 'aria-hidden': 'true' }, childCount[row] ? (expanded[row] ? '▾' : '▸') : ''));
  if (depth[row] > 16) item.append(make('span', { className: 'level' }, `(${depth[row]})`));
  item.append(make('b', {}, kindOf(row)));
  if (roleName(row) && (roleFrom[row] === row)) item.append(make('span', { className: 'role', 'data-role': roleName(row) }, roleName(row)));
  if (keyOf(row)) item.append(make('span', { className: 'key' }, keyOf(row)));
  const value = evidence ? valueOf(row) : null;
  if (value !== null) item.append(make('span', { className: value < 0 ? 'value against' : 'value for' }, signed(value)));
  item.append(make('bdi', { className: 'words' }, wordsOf(row)));
  return item;
}

/** Open what a node stands in. */
function reveal(row) {
  let changed = false;
  for (let above = data.parent[row]; above >= 0; above = data.parent[above]) {
    if (!expanded[above]) changed = expanded[above] = 1;
  }
  if (changed) refresh();
}

function showInTree(row) {
  reveal(row);
  const top = placeOf[row] * HEIGHT;
  if (top < tree.scrollTop) tree.scrollTop = top;
  else if (top + HEIGHT > tree.scrollTop + tree.clientHeight) tree.scrollTop = top + HEIGHT - tree.clientHeight;
  draw(true);
}

function toggle(row, open) {
  if (!childCount[row] || Boolean(expanded[row]) === open) return;
  expanded[row] = open ? 1 : 0;
  refresh();
}

function moveTo(place) {
  select(visible[Math.min(Math.max(place, 0), visible.length - 1)], 'tree');
}

const KEYS = {
  ArrowDown: place => moveTo(place + 1),
  ArrowUp: place => moveTo(place - 1),
  Home: () => moveTo(0),
  End: () => moveTo(visible.length - 1),
  PageDown: place => moveTo(place + Math.max(Math.floor(tree.clientHeight / HEIGHT) - 1, 1)),
  PageUp: place => moveTo(place - Math.max(Math.floor(tree.clientHeight / HEIGHT) - 1, 1)),
  ArrowRight: (place, row) => expanded[row] ? moveTo(place + 1) : toggle(row, true),
  ArrowLeft: (place, row) => expanded[row] && childCount[row] ? toggle(row, false) : row && select(data.parent[row], 'tree'),
  Enter: (place, row) => toggle(row, !expanded[row]),
  ' ': (place, row) => toggle(row, !expanded[row]),
  '*': (place, row) => {
    for (let other = row ? data.parent[row] + 1 : 0; other < (row ? ends[data.parent[row]] : 1); other = ends[other])
      if (childCount[other]) expanded[other] = 1;
    refresh();
  },
};

tree.addEventListener('keydown', event => {
  if (event.ctrlKey || event.altKey || event.metaKey || !Object.hasOwn(KEYS, event.key)) return;
  event.preventDefault();
  const row = Math.max(state.selected, 0);
  KEYS[event.key](placeOf[row], row);
  draw(true);
});
tree.addEventListener('scroll', () => draw());
tree.addEventListener('click', event => {
  const item = event.target.closest('.line');
  if (!item) return;
  if (event.target.className === 'twist') toggle(item.docRow, !expanded[item.docRow]);
  else select(item.docRow, 'tree');
});
tree.addEventListener('mouseover', event => hover(event.target.closest('.line')?.docRow ?? -1));
tree.addEventListener('mouseleave', () => hover(-1));
tree.addEventListener('focus', () => { if (state.selected < 0) select(0, 'tree'); });
new ResizeObserver(() => draw()).observe(tree);

/** Open the tree level by level, as long as it stays short enough to look at. */
function openFirstLevels(most) {
  const inLevel = [];
  for (let row = 0; row < N; row++) if (N <= 60 || kindOf(row) !== 'sentence') inLevel[depth[row]] = (inLevel[depth[row]] || 0) + 1;
  let total = 1, levels = 0;
  while (levels + 1 < inLevel.length && (total += inLevel[levels + 1] || 0) <= most) levels++;
  for (let row = 0; row < N; row++)
    expanded[row] = childCount[row] && (depth[row] < Math.max(levels, 1)) && (N <= 60 || kindOf(row + 1) !== 'sentence') ? 1 : 0;
}
byId('expand').addEventListener('click', () => { for (let row = 0; row < N; row++) expanded[row] = childCount[row] ? 1 : 0; refresh(); });
byId('collapse').addEventListener('click', () => { openFirstLevels(60); refresh(); if (state.selected >= 0) showInTree(state.selected); });
