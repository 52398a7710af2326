// What ties the parts together: selection, hovering, search, colours; then the first drawing.

function select(row, from) {
  const before = state.selected;
  state.selected = row;
  if (reading.hidden) elementOf[before]?.classList.remove('selected'), markSelected(row);
  else showInReading(before, row, from);
  showInScreenshot(row, from);
  showInTree(row);
  showInPanel(row);
  if (!attention) return;
  showAttention(row);
  shadeLooks();
}

function hover(row) {
  if (row === state.hovered) return;
  const change = (one, on) => {
    elementOf[one]?.classList.toggle('hovered', on);
    byId(`node-${one}`)?.classList.toggle('hovered', on);
  };
  change(state.hovered, false);
  state.hovered = row;
  change(row, true);
  if (picture) placeBox(hoveredBox, row);
}

// -- search ----------------------------------------------------------------------------------------------------------

const MOST_MATCHES = 10000;
const lower = text => { const small = text.toLowerCase(); return small.length === text.length ? small : text; };
let matches = [], matchAt = -1, lowerText = null;

function findMatches(asked) {
  const [, field, name] = /^(kind|role):\s*(.*)$/.exec(asked) || [];
  const rows = new Set();
  for (let row = 0; field && row < N; row++)
    if ((field === 'kind' ? kindOf(row) : data.role[row] >= 0 ? roleName(row) : '') === name) rows.add(row);
  if (field || !asked) return [...rows];
  lowerText ??= lower(data.text);
  const words = lower(asked);
  for (let place = lowerText.indexOf(words); place >= 0 && rows.size < MOST_MATCHES; place = lowerText.indexOf(words, place + words.length))
    rows.add(rowAt(place));
  for (const [row, attributes] of Object.entries(data.attributes))
    if ([attributes.alt, attributes.src, attributes.href].some(one => typeof one === 'string' && lower(one).includes(words))) rows.add(Number(row));
  return [...rows].sort((a, b) => a - b);
}

function goToMatch(step) {
  if (!matches.length) return;
  matchAt = (matchAt + step + matches.length) % matches.length;
  byId('matches').textContent = `${matchAt + 1} of ${matches.length}`;
  select(matches[matchAt], 'search');
}

byId('search').addEventListener('input', event => {
  matches = findMatches(event.target.value.trim());
  matchAt = -1;
  byId('matches').textContent = event.target.value.trim() ? (matches.length ? `${matches.length} found` : 'none') : '';
});
byId('search').addEventListener('keydown', event => {
  if (event.key === 'Enter') goToMatch(event.shiftKey ? -1 : 1);
});
byId('next').addEventListener('click', () => goToMatch(1));
byId('previous').addEventListener('click', () => goToMatch(-1));
document.addEventListener('keydown', event => {
  if (event.key !== '/' || /^(INPUT|SELECT)$/.test(document.activeElement.tagName)) return;
  event.preventDefault();
  byId('search').focus();
});

// -- colours ---------------------------------------------------------------------------------------------------------

function setShade(name) {
  state.shade = byId('shade').value = name;
  document.documentElement.dataset.shades = name;
  byId('class-label').hidden = name !== 'evidence' || isValue;
  if (evidence) state.strongest = strongest();
  if (attention) shadeLooks();
  shadeRows(0, building.row);
  drawOverlay();
}

const SHADES = [['none', 'nothing'], ['roles', 'roles'], ['score', 'main-content score'], ['evidence', 'evidence'], ['attention', 'what the chosen node looks at']];
for (const [name, words] of SHADES)
  if (name === 'none' || (name === 'roles' && data.roles.length) || (name === 'score' && data.score) || (name === 'evidence' && evidence) || (name === 'attention' && attention))
    byId('shade').append(make('option', { value: name }, words));
if (evidence) byId('said').append(saidInShort());
byId('said').hidden = !evidence;
for (const place of ranked)
  byId('class').append(make('option', { value: place }, evidence.classes[place] + (given.includes(place) ? ' (predicted)' : '')));
byId('shade').addEventListener('change', event => setShade(event.target.value));
byId('class').addEventListener('change', event => {
  state.chosenClass = Number(event.target.value);
  setShade('evidence');
  showEvidence();
  draw(true);
  if (state.selected >= 0) showInPanel(state.selected);
});

const dark = matchMedia('(prefers-color-scheme: dark)');
const isDark = () => (document.documentElement.dataset.theme || (dark.matches ? 'dark' : 'light')) === 'dark';
const nameTheme = () => { byId('theme').textContent = isDark() ? 'Light' : 'Dark'; };
byId('theme').addEventListener('click', () => {
  document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
  nameTheme();
});
dark.addEventListener('change', nameTheme);

nameTheme();
const language = data.metadata.find(([name]) => name === 'language');
if (language && /^[A-Za-z0-9-]{2,35}$/.test(String(language[1]))) reading.lang = language[1];
makePanel();
setShade(evidence ? 'evidence' : data.roles.length ? 'roles' : 'none');
if (evidence) showEvidence();
openFirstLevels(400);
refresh();
buildOn();
if (state.first !== undefined) select(state.first, 'query');
else showInPanel(0);
