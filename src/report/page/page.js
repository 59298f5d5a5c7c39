"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const at = id => document.getElementById(id);
  const make = (tag, text, kind) => {
    const node = document.createElement(tag);
    if (text !== undefined) node.textContent = text;
    if (kind) node.className = kind;
    return node;
  };
  const whole = new Intl.NumberFormat("en");
  const short = value => Math.abs(value) >= 1e9 ? (value / 1e9).toFixed(2) + "B"
    : Math.abs(value) >= 1e6 ? (value / 1e6).toFixed(2) + "M"
    : Math.abs(value) >= 1e4 ? (value / 1e3).toFixed(1) + "k"
    : whole.format(+value.toFixed(2));
  const price = (value, symbol) => value == null ? "–" : value.toLocaleString("en",
    { minimumFractionDigits: symbol.digits, maximumFractionDigits: symbol.digits });
  const clock = (seconds, long) => new Date(seconds * 1000).toISOString().slice(long ? 0 : 11, long ? 19 : 16).replace("T", " ");
  const colour = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

  const state = { symbol: 0, width: data.widths[0], from: 0, to: 1, cursor: null,
    on: { bands: true, sma: true, vwap: true, ema: false } };
  const symbol = () => data.symbols[state.symbol];
  const series = () => symbol().widths[state.width];

  // Head
  at("subtitle").textContent = data.subtitle;
  for (const [name, value] of data.tiles) {
    const tile = make("div");
    tile.append(make("dt", name), make("dd", whole.format(value)));
    at("tiles").append(tile);
  }

  // Symbols
  const spark = values => {
    const least = Math.min(...values), most = Math.max(...values), span = most - least || 1;
    const step = Math.max(1, Math.floor(values.length / 90));
    const points = values.filter((_, k) => k % step === 0 || k === values.length - 1);
    const place = (value, k) => (k / (points.length - 1 || 1) * 100).toFixed(1) + "," + (29 - (value - least) / span * 26).toFixed(1);
    const rising = values[values.length - 1] >= values[0];
    const path = "M" + points.map(place).join("L");
    const tone = rising ? "var(--up)" : "var(--down)";
    return `<svg viewBox="0 0 100 32" preserveAspectRatio="none" aria-hidden="true">` +
      `<path d="${path}L100,32L0,32Z" fill="${tone}" opacity=".12"/>` +
      `<path d="${path}" fill="none" stroke="${tone}" stroke-width="1.6" vector-effect="non-scaling-stroke"/></svg>`;
  };
  const percent = value => (value >= 0 ? "+" : "−") + Math.abs(value).toFixed(2) + "%";
  data.symbols.forEach((one, index) => {
    const rows = one.widths[data.widths[0]];
    const button = make("button");
    const name = make("span");
    name.append(make("b", one.name), make("small", one.revised ? `${one.revised} revised` : "no revision", one.revised ? "revised" : ""));
    const line = make("span");
    line.innerHTML = spark(rows.c);
    const right = make("span", undefined, "right");
    right.append(make("b", price(one.last, one)), make("small", percent(one.change), one.change >= 0 ? "up" : "down"));
    button.append(name, line, right);
    button.onclick = () => { state.symbol = index; show(); };
    at("symbols").append(button);
  });

  // Switches
  const pill = (parent, label, pressed, click, tone) => {
    const button = make("button");
    if (tone) {
      const mark = make("i");
      mark.style.background = `var(--${tone})`;
      button.append(mark);
    }
    button.append(label);
    button.onclick = click;
    button.update = () => button.setAttribute("aria-pressed", pressed());
    parent.append(button);
    return button;
  };
  const pills = data.widths.map(width => pill(at("widths"), width, () => state.width === width, () => {
    const [a, b] = span();
    state.width = width;
    window_of(a, b);
    show();
  }));
  const has = name => data.columns.includes(name);
  const overlays = [["bands", "Bollinger", "band", "bb_upper_20_2"], ["sma", "SMA 20", "sma", "sma_20"],
    ["vwap", "VWAP", "vwap", "vwap_session"], ["ema", "EMA 12 · 26", "ema", "ema_12"]];
  for (const [key, label, tone, column] of overlays) {
    if (has(column)) pills.push(pill(at("overlays"), label, () => state.on[key], () => { state.on[key] = !state.on[key]; show(); }, tone));
  }

  // Tables
  const table = (node, heads, rows) => {
    const head = make("tr");
    heads.forEach(([text, kind]) => head.append(make("th", text, kind)));
    const body = make("tbody");
    rows.forEach(({ cells, click }) => {
      const row = make("tr", undefined, click ? "link" : "");
      cells.forEach((cell, k) => {
        const box = make("td", undefined, heads[k][1]);
        box.append(cell instanceof Node ? cell : document.createTextNode(cell));
        row.append(box);
      });
      if (click) row.onclick = click;
      body.append(row);
    });
    if (!rows.length) {
      const row = make("tr"), cell = make("td", "none");
      cell.colSpan = heads.length;
      row.append(cell);
      body.append(row);
    }
    const top = make("thead");
    top.append(head);
    node.replaceChildren(top, body);
  };
  const revised_table = () => {
    const one = symbol(), rows = series();
    table(at("revised"), [["bar"], ["times", "number"], ["close was", "number"], ["close is", "number"], ["volume was", "number"], ["volume is", "number"]],
      Object.entries(rows.r).slice(0, 200).map(([k, was]) => ({
        cells: [clock(rows.t[k]), String(was[0]), price(was[4], one), price(rows.c[k], one), short(was[5]), short(rows.v[k])],
        click: () => { const reach = Math.min(30, rows.t.length / 2); state.from = Math.max(0, +k - reach); state.to = Math.min(rows.t.length, +k + reach); state.cursor = +k; draw(); },
      })));
  };
  table(at("refused"), [["reason"], ["records", "number"], ["an example"]], data.refused.map(([reason, count, detail, raw]) => {
    const example = make("div", detail);
    example.append(make("code", raw));
    return { cells: [reason, whole.format(count), example] };
  }));
  table(at("stored"), [["table"], ["rows", "number"], ["revised", "number"]], data.stored.map(([name, rows, revised]) => ({
    cells: [name, whole.format(rows), whole.format(revised)],
  })));

  // Window
  const span = () => { const rows = series(); return [rows.t[Math.floor(state.from)], rows.t[Math.ceil(state.to) - 1]]; };
  const window_of = (a, b) => {
    const times = series().t;
    const first = times.findIndex(t => t >= a);
    let last = times.findIndex(t => t > b);
    if (last < 0) last = times.length;
    state.from = Math.max(0, first < 0 ? 0 : first);
    state.to = Math.max(state.from + Math.min(10, times.length), last);
    limit();
  };
  const limit = () => {
    const n = series().t.length, size = Math.min(n, Math.max(12, state.to - state.from));
    state.from = Math.min(Math.max(0, state.from), n - size);
    state.to = state.from + size;
  };

  // Drawing
  const canvas = at("canvas"), pen = canvas.getContext("2d");
  const nice = (least, most, count) => {
    const raw = (most - least) / count, power = 10 ** Math.floor(Math.log10(raw || 1)), ratio = raw / power;
    const step = (ratio > 5 ? 10 : ratio > 2 ? 5 : ratio > 1 ? 2 : 1) * power, marks = [];
    for (let mark = Math.ceil(least / step) * step; mark <= most + 1e-12; mark += step) marks.push(mark);
    return marks;
  };
  // Room for the widest price of the symbol, right of the chart.
  let axis = 62;
  const measure = () => {
    pen.font = "11px system-ui, sans-serif";
    axis = Math.max(52, Math.ceil(pen.measureText(price(Math.max(...series().h), symbol())).width) + 16);
  };
  function draw() {
    const box = canvas.getBoundingClientRect(), dense = window.devicePixelRatio || 1;
    canvas.width = Math.round(box.width * dense);
    canvas.height = Math.round(box.height * dense);
    pen.setTransform(dense, 0, 0, dense, 0, 0);
    pen.clearRect(0, 0, box.width, box.height);
    pen.font = "11px system-ui, sans-serif";
    const one = symbol(), rows = series(), ind = rows.i;
    const from = Math.floor(state.from), to = Math.min(rows.t.length, Math.ceil(state.to));
    const right = box.width - axis, step = right / (state.to - state.from);
    const x = k => (k - state.from + .5) * step;
    const pick = list => { const out = []; for (let k = from; k < to; k++) if (list && list[k] != null) out.push(list[k]); return out; };
    const ranges = { top: box.width < 560 ? 78 : 46, foot: 22 };
    const inside = box.height - ranges.foot;
    const rsi = ind.rsi_14, macd = ind.macd_12_26_9;
    const shares = [rsi || macd ? .58 : .78, .13, rsi ? .13 : 0, macd ? .16 : 0];
    const sum = shares.reduce((a, b) => a + b), panes = [];
    let y = 0;
    for (const share of shares) { const height = inside * share / sum; panes.push([y, y + height]); y += height; }
    const frame = (pane, least, most, pad) => {
      const [a, b] = panes[pane], low = b - 8, high = a + pad;
      return value => low - (value - least) / ((most - least) || 1) * (low - high);
    };
    const line = (list, place, tone, dash, wide) => {
      if (!list) return;
      pen.beginPath();
      let down = false;
      for (let k = Math.max(0, from - 1); k < Math.min(list.length, to + 1); k++) {
        if (list[k] == null) { down = false; continue; }
        down ? pen.lineTo(x(k), place(list[k])) : pen.moveTo(x(k), place(list[k]));
        down = true;
      }
      pen.setLineDash(dash || []);
      pen.strokeStyle = colour(tone);
      pen.lineWidth = wide || 1.4;
      pen.stroke();
      pen.setLineDash([]);
    };
    const label = (text, y) => { pen.fillStyle = colour("soft"); pen.textAlign = "left"; pen.textBaseline = "middle"; pen.fillText(text, right + 8, y); };
    const rule = (y, tone, dash) => { pen.beginPath(); pen.setLineDash(dash || []); pen.strokeStyle = colour(tone); pen.lineWidth = 1; pen.moveTo(0, Math.round(y) + .5); pen.lineTo(right, Math.round(y) + .5); pen.stroke(); pen.setLineDash([]); };
    const clip = (pane, paint) => { const [a, b] = panes[pane]; pen.save(); pen.beginPath(); pen.rect(0, a, right, b - a); pen.clip(); paint(); pen.restore(); };

    // Time
    const width = rows.s, marks = Math.max(2, Math.floor(right / 90));
    const steps = [60, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400];
    const every = steps.find(s => s * marks >= (to - from) * width) || 86400;
    pen.textAlign = "center"; pen.textBaseline = "middle";
    let said = -100;
    for (let k = from; k < to; k++) {
      if (rows.t[k] % every !== 0 || x(k) > right - 20 || x(k) < 20 || x(k) - said < 60) continue;
      said = x(k);
      pen.strokeStyle = colour("grid"); pen.lineWidth = 1;
      pen.beginPath(); pen.moveTo(Math.round(x(k)) + .5, 0); pen.lineTo(Math.round(x(k)) + .5, inside); pen.stroke();
      pen.fillStyle = colour("soft");
      pen.fillText(clock(rows.t[k]), x(k), inside + 12);
    }

    // Price
    const lists = [pick(rows.l), pick(rows.h)];
    if (state.on.bands) lists.push(pick(ind.bb_upper_20_2), pick(ind.bb_lower_20_2));
    for (const k in rows.r) if (k >= from && k < to) lists.push([rows.r[k][2], rows.r[k][3]]);
    const all = lists.flat(), least = Math.min(...all), most = Math.max(...all);
    const p = frame(0, least, most, ranges.top);
    for (const mark of nice(least, most, 6)) { rule(p(mark), "grid"); label(price(mark, one), p(mark)); }
    clip(0, () => {
      if (state.on.bands && ind.bb_upper_20_2) {
        pen.beginPath();
        let open = false;
        for (let k = from; k < to; k++) if (ind.bb_upper_20_2[k] != null) { open ? pen.lineTo(x(k), p(ind.bb_upper_20_2[k])) : pen.moveTo(x(k), p(ind.bb_upper_20_2[k])); open = true; }
        for (let k = to - 1; k >= from; k--) if (ind.bb_lower_20_2[k] != null) pen.lineTo(x(k), p(ind.bb_lower_20_2[k]));
        pen.fillStyle = colour("band"); pen.globalAlpha = .07; pen.fill(); pen.globalAlpha = .55;
        line(ind.bb_upper_20_2, p, "band", [], 1); line(ind.bb_lower_20_2, p, "band", [], 1);
        pen.globalAlpha = 1;
      }
      const body = Math.max(1, Math.min(14, step * .68));
      for (let k = from; k < to; k++) {
        const rising = rows.c[k] >= rows.o[k], tone = colour(rising ? "up" : "down"), centre = x(k);
        pen.strokeStyle = pen.fillStyle = tone; pen.lineWidth = 1;
        pen.beginPath(); pen.moveTo(centre, p(rows.h[k])); pen.lineTo(centre, p(rows.l[k])); pen.stroke();
        const a = p(Math.max(rows.o[k], rows.c[k])), b = p(Math.min(rows.o[k], rows.c[k]));
        if (body > 1.5) pen.fillRect(centre - body / 2, a, body, Math.max(1, b - a));
        const was = rows.r[k];
        if (!was) continue;
        pen.strokeStyle = pen.fillStyle = colour("revised");
        if (body > 5) {
          const c = p(Math.max(was[1], was[4])), d = p(Math.min(was[1], was[4]));
          pen.setLineDash([3, 2]);
          pen.strokeRect(centre - body / 2 - 2, c - 1, body + 4, Math.max(2, d - c + 2));
          pen.setLineDash([]);
        }
        const foot = p(rows.l[k]) + 9, r = body > 3 ? 3.6 : 2.6;
        pen.beginPath(); pen.moveTo(centre, foot - r); pen.lineTo(centre + r, foot); pen.lineTo(centre, foot + r); pen.lineTo(centre - r, foot); pen.fill();
      }
      if (state.on.vwap) line(ind.vwap_session, p, "vwap", [], 1.5);
      if (state.on.sma) line(ind.sma_20, p, "sma");
      if (state.on.ema) { line(ind.ema_12, p, "ema"); line(ind.ema_26, p, "ema", [5, 3]); }
    });

    // Volume
    const volume = Math.max(...pick(rows.v), 1e-9), v = frame(1, 0, volume, 14);
    rule(panes[1][0], "line"); title("volume", 1); label(short(volume), v(volume));
    clip(1, () => {
      const body = Math.max(1, step * .68);
      for (let k = from; k < to; k++) {
        pen.fillStyle = colour(rows.c[k] >= rows.o[k] ? "up" : "down"); pen.globalAlpha = .55;
        pen.fillRect(x(k) - body / 2, v(rows.v[k]), body, v(0) - v(rows.v[k]));
      }
      pen.globalAlpha = 1;
    });
    function title(text, pane) { pen.fillStyle = colour("soft"); pen.textAlign = "left"; pen.textBaseline = "top"; pen.fillText(text, 8, panes[pane][0] + 5); }

    // RSI
    if (rsi) {
      const place = frame(2, 0, 100, 10);
      rule(panes[2][0], "line"); title("RSI 14", 2);
      pen.fillStyle = colour("accent"); pen.globalAlpha = .06; pen.fillRect(0, place(70), right, place(30) - place(70)); pen.globalAlpha = 1;
      for (const mark of [30, 70]) { rule(place(mark), "line", [3, 3]); label(String(mark), place(mark)); }
      clip(2, () => line(rsi, place, "accent"));
    }
    // MACD
    if (macd) {
      const signal = ind.macd_signal_12_26_9, hist = ind.macd_hist_12_26_9;
      const values = [...pick(macd), ...pick(signal), ...pick(hist)].map(Math.abs), reach = Math.max(...values, 1e-12);
      const place = frame(3, -reach, reach, 12);
      rule(panes[3][0], "line"); title("MACD 12 26 9", 3); rule(place(0), "line"); label("0", place(0));
      clip(3, () => {
        const body = Math.max(1, step * .6);
        for (let k = from; k < to; k++) if (hist[k] != null) {
          pen.fillStyle = colour(hist[k] >= 0 ? "up" : "down"); pen.globalAlpha = .5;
          pen.fillRect(x(k) - body / 2, Math.min(place(0), place(hist[k])), body, Math.abs(place(hist[k]) - place(0)));
        }
        pen.globalAlpha = 1;
        line(macd, place, "macd"); line(signal, place, "signal");
      });
    }

    // Last price and cursor
    const last = rows.c[rows.c.length - 1];
    if (to === rows.t.length) tag(price(last, one), p(last), rows.c[to - 1] >= rows.o[to - 1] ? "up" : "down");
    function tag(text, y, tone) {
      pen.fillStyle = colour(tone); pen.fillRect(right, y - 9, axis, 18);
      pen.fillStyle = colour("panel"); pen.textAlign = "left"; pen.textBaseline = "middle"; pen.fillText(text, right + 8, y + .5);
    }
    let k = to - 1;
    if (state.cursor != null && state.cursor >= from && state.cursor < to) {
      k = state.cursor;
      pen.strokeStyle = colour("soft"); pen.setLineDash([4, 3]); pen.lineWidth = 1;
      pen.beginPath(); pen.moveTo(x(k), 0); pen.lineTo(x(k), inside); pen.stroke(); pen.setLineDash([]);
      const text = clock(rows.t[k]), wide = pen.measureText(text).width + 12;
      const left = Math.min(Math.max(0, x(k) - wide / 2), right - wide);
      pen.fillStyle = colour("ink"); pen.fillRect(left, inside + 2, wide, 18);
      pen.fillStyle = colour("panel"); pen.textAlign = "center"; pen.textBaseline = "middle"; pen.fillText(text, left + wide / 2, inside + 11.5);
    }
    readout(k);
  }
  function readout(k) {
    const one = symbol(), rows = series(), ind = rows.i, node = at("readout");
    const pair = (name, value) => { const span = make("span", name + " "); span.append(make("b", value)); return span; };
    const number = name => ind[name] && ind[name][k] != null ? ind[name][k] : null;
    const parts = [pair(clock(rows.t[k], true).slice(0, 16), ""), pair("O", price(rows.o[k], one)), pair("H", price(rows.h[k], one)),
      pair("L", price(rows.l[k], one)), pair("C", price(rows.c[k], one)), pair("V", short(rows.v[k]))];
    for (const [name, column] of [["SMA", "sma_20"], ["VWAP", "vwap_session"]]) if (number(column) != null) parts.push(pair(name, price(number(column), one)));
    if (number("rsi_14") != null) parts.push(pair("RSI", number("rsi_14").toFixed(1)));
    node.replaceChildren(...parts);
    const was = rows.r[k];
    if (was) {
      const note = make("div", undefined, "revised");
      note.append(pair(`revised ${was[0]}×, last known at`, clock(was[6], true).slice(11)), pair("was O", price(was[1], one)), pair("H", price(was[2], one)),
        pair("L", price(was[3], one)), pair("C", price(was[4], one)), pair("V", short(was[5])));
      node.append(note);
    }
  }

  // Hands
  const index_of = event => { const box = canvas.getBoundingClientRect(); return Math.floor(state.from + (event.clientX - box.left) / (box.width - axis) * (state.to - state.from)); };
  const zoom = (factor, centre) => {
    state.from = centre - (centre - state.from) * factor;
    state.to = centre + (state.to - centre) * factor;
    if (state.to - state.from < 12) { state.from = centre - 6; state.to = centre + 6; }
    limit(); draw();
  };
  const fingers = new Map();
  let grip = null;
  canvas.onpointerdown = event => { fingers.set(event.pointerId, event); canvas.setPointerCapture(event.pointerId); grip = { x: event.clientX, from: state.from, to: state.to }; };
  canvas.onpointerup = canvas.onpointercancel = event => { fingers.delete(event.pointerId); grip = null; };
  canvas.onpointermove = event => {
    if (fingers.size === 2 && fingers.has(event.pointerId)) {
      const apart = () => { const [a, b] = [...fingers.values()]; return Math.abs(a.clientX - b.clientX) || 1; };
      const before = apart();
      fingers.set(event.pointerId, event);
      return zoom(Math.min(2, Math.max(.5, before / apart())), (state.from + state.to) / 2);
    }
    if (grip && fingers.size === 1) {
      const move = (grip.x - event.clientX) / (canvas.clientWidth - axis) * (grip.to - grip.from);
      state.from = grip.from + move; state.to = grip.to + move;
      limit();
    }
    state.cursor = index_of(event);
    draw();
  };
  canvas.onpointerleave = () => { state.cursor = null; draw(); };
  canvas.addEventListener("wheel", event => { event.preventDefault(); zoom(event.deltaY > 0 ? 1.15 : .87, index_of(event)); }, { passive: false });
  canvas.ondblclick = () => { state.from = 0; state.to = series().t.length; draw(); };
  canvas.onkeydown = event => {
    const keys = { ArrowLeft: -1, ArrowRight: 1 };
    if (event.key in keys) {
      const start = state.cursor == null ? Math.ceil(state.to) - 1 : state.cursor;
      state.cursor = Math.min(series().t.length - 1, Math.max(0, start + keys[event.key]));
      if (state.cursor < state.from || state.cursor >= state.to) { state.from += keys[event.key]; state.to += keys[event.key]; limit(); }
      draw();
    } else if (event.key === "+" || event.key === "-") zoom(event.key === "+" ? .8 : 1.25, (state.from + state.to) / 2);
    else return;
    event.preventDefault();
  };

  function show() {
    const one = symbol();
    limit();
    [...at("symbols").children].forEach((button, k) => button.setAttribute("aria-pressed", k === state.symbol));
    const chosen = at("symbols").children[state.symbol];
    at("symbols").scrollLeft = chosen.offsetLeft - at("symbols").offsetLeft - 110;
    pills.forEach(button => button.update());
    at("name").textContent = one.name;
    at("last").textContent = price(one.last, one);
    at("change").textContent = percent(one.change);
    at("change").className = one.change >= 0 ? "up" : "down";
    revised_table();
    measure();
    draw();
  }
  if (!data.symbols.length) { document.querySelector("main").textContent = "No bars."; return; }
  // The symbol with most to see first, and as many bars as the screen shows well.
  data.symbols.forEach((one, k) => { if (one.revised > symbol().revised) state.symbol = k; });
  state.from = Math.max(0, series().t.length - Math.max(60, Math.min(160, Math.floor(canvas.clientWidth / 6.5))));
  state.to = series().t.length;
  show();
  new ResizeObserver(draw).observe(canvas);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
})();
