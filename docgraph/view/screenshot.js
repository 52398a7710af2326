// The document as it looks: its screenshot, with the boxes of nodes and the grid of patches over it.

const screenshot = byId('screenshot');
const picture = screenshotRow >= 0 && data.images[screenshotRow].src ? data.images[screenshotRow] : null;
const patches = picture ? attributesOf(screenshotRow).patches : null;
const pageBox = picture ? data.boxes[screenshotRow] : null;
/** Of a page wider than windows are, as one with a long word, this width fills the pane, and the rest is scrolled to. */
const WIDEST = 1920, SHOWN_WIDTH = 1280;
let overlay = null, selectedBox = null, hoveredBox = null, patchBox = null, cursorPatch = 0;

function placeBox(element, row) {
  placeAt(element, row >= 0 && row !== screenshotRow ? data.boxes[row] : null);
}

function placeAt(element, box) {
  element.hidden = !box;
  if (!box) return;
  element.style.left = `${100 * box[0] / pageBox[2]}%`;
  element.style.top = `${100 * box[1] / pageBox[3]}%`;
  element.style.width = `${100 * (box[2] - box[0]) / pageBox[2]}%`;
  element.style.height = `${100 * (box[3] - box[1]) / pageBox[3]}%`;
}

/** The deepest node that is seen at a place of the page: of those whose box holds it, the last. */
function rowAtPoint(x, y) {
  for (let row = N - 1; row > 0; row--) {
    const box = data.boxes[row];
    if (box && row !== screenshotRow && layoutOf(row).visible !== false && x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3])
      return row;
  }
  return 0;
}

function drawOverlay() {
  if (!picture) return;
  const draw = overlay.getContext('2d'), scale = overlay.width / pageBox[2];
  draw.clearRect(0, 0, overlay.width, overlay.height);
  draw.lineWidth = 1;
  for (let row = 1; row < N; row++) {
    const box = data.boxes[row], shade = box && row !== screenshotRow ? shadeOf(row) : null;
    if (!shade) continue;
    draw.globalAlpha = 0.6 * shade.strength;
    draw.fillStyle = { for: '#1f6feb', against: '#d9480f', score: '#2f9e44', looks: '#8250df' }[shade.name];
    draw.fillRect(box[0] * scale, box[1] * scale, (box[2] - box[0]) * scale, (box[3] - box[1]) * scale);
  }
  draw.globalAlpha = 1;
  draw.strokeStyle = '#1f6febaa';
  if (byId('all-boxes').checked)
    for (const [row, box] of Object.entries(data.boxes))
      if (!childCount[row] && Number(row) !== screenshotRow)
        draw.strokeRect(box[0] * scale, box[1] * scale, (box[2] - box[0]) * scale, (box[3] - box[1]) * scale);
  draw.strokeStyle = '#d9480f99';
  if (byId('all-patches').checked && patches) {
    const side = patchSide() * scale;
    for (let x = 0; x <= patches.columns; x++) draw.strokeRect(x * side, 0, 0, overlay.height);
    for (let y = 0; y <= patches.rows; y++) draw.strokeRect(0, y * side, overlay.width, 0);
  }
}

/** CSS pixels of a patch's side: the smallest step of 16 that gives the grid's rows and columns. */
function patchSide() {
  for (let side = 32; ; side += 16)
    if (Math.ceil(Math.floor(pageBox[3]) / side) <= patches.rows && Math.ceil(Math.floor(pageBox[2]) / side) <= patches.columns) return side;
}

function showInScreenshot(row, from) {
  if (!picture) return;
  placeBox(selectedBox, row);
  if (from !== 'screenshot') patchBox.hidden = true;
  if (from !== 'screenshot' && !screenshot.hidden && !selectedBox.hidden) selectedBox.scrollIntoView({ block: 'nearest' });
}

function showFace(name) {
  for (const face of ['reading', 'screenshot']) {
    const chosen = face === name, tab = byId(`face-${face}`);
    tab.setAttribute('aria-selected', chosen);
    tab.tabIndex = chosen ? 0 : -1;
    byId(face).hidden = !chosen;
  }
  for (const box of byId('faces').querySelectorAll('label')) box.hidden = name !== 'screenshot';
  if (name === 'screenshot') drawOverlay();
  if (state.selected >= 0) name === 'screenshot' ? showInScreenshot(state.selected) : showInReading(-1, state.selected);
}

function movePatch(right, down) {
  const x = Math.min(Math.max(cursorPatch % patches.columns + right, 0), patches.columns - 1);
  const y = Math.min(Math.max(Math.floor(cursorPatch / patches.columns) + down, 0), patches.rows - 1);
  const side = patchSide();
  cursorPatch = y * patches.columns + x;
  placeAt(patchBox, [x * side, y * side, Math.min((x + 1) * side, pageBox[2]), Math.min((y + 1) * side, pageBox[3])]);
  patchBox.scrollIntoView({ block: 'nearest' });
  select(patches.node[cursorPatch], 'screenshot');
}

if (picture) {
  byId('faces').hidden = false;
  overlay = make('canvas', { width: Math.min(pageBox[2], 4096), height: Math.round(Math.min(pageBox[2], 4096) * pageBox[3] / pageBox[2]), 'aria-hidden': 'true' });
  selectedBox = make('div', { className: 'box selected', hidden: true });
  hoveredBox = make('div', { className: 'box hovered', hidden: true });
  patchBox = make('div', { className: 'box patch', hidden: true });
  const sheet = make('div', { className: 'picture' },
    make('img', { src: picture.src, alt: 'The page as a browser shows it', decoding: 'async' }), overlay, hoveredBox, selectedBox, patchBox);
  if (pageBox[2] > WIDEST) sheet.style.width = sheet.style.maxWidth = `${100 * pageBox[2] / SHOWN_WIDTH}%`;
  screenshot.append(sheet);
  const pointOf = event => {
    const area = overlay.getBoundingClientRect();
    return [(event.clientX - area.left) / area.width * pageBox[2], (event.clientY - area.top) / area.height * pageBox[3]];
  };
  screenshot.addEventListener('mousemove', event => hover(rowAtPoint(...pointOf(event))));
  screenshot.addEventListener('mouseleave', () => hover(-1));
  screenshot.addEventListener('click', event => {
    const point = pointOf(event), [x, y] = point.map(one => Math.floor(one / (patches ? patchSide() : 1)));
    if (patches && x >= 0 && y >= 0 && x < patches.columns && y < patches.rows) cursorPatch = y * patches.columns + x;
    patchBox.hidden = true;
    select(rowAtPoint(...point), 'screenshot');
  });
  screenshot.addEventListener('keydown', event => {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (!step || !patches) return;
    event.preventDefault();
    movePatch(...step);
  });
  for (const name of ['all-boxes', 'all-patches']) byId(name).addEventListener('change', drawOverlay);
  for (const face of ['reading', 'screenshot']) byId(`face-${face}`).addEventListener('click', () => showFace(face));
  byId('faces').addEventListener('keydown', event => {
    if (event.key !== 'ArrowLeft' && event.key !== 'ArrowRight') return;
    const other = screenshot.hidden ? 'screenshot' : 'reading';
    showFace(other);
    byId(`face-${other}`).focus();
  });
}
