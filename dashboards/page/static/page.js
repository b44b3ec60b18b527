// The page: its state, its sheets and their visuals. Figures come from cells.js, pictures from figures.js, texts from
// words.js, filters from controls.js.
"use strict";

const trafficlakePage = (() => {
  const held = window.trafficlakeData;
  const { element } = tables;
  const decodedCubes = new Map();
  const decodedCube = (name) => {
    if (!decodedCubes.has(name)) decodedCubes.set(name, cells.decoded(held.cubes[name]));
    return decodedCubes.get(name);
  };
  const cubeOf = (visual) => decodedCube(held.cube_of[visual.id]);
  const sheets = held.dashboards.flatMap((dashboard) => dashboard.sheets.map((sheet) => ({ ...sheet, dashboard })));
  const instants = new Intl.DateTimeFormat("en-GB", { timeZone: held.time_zone, dateStyle: "medium", timeStyle: "short" });
  const numbers = [0, 1, 2, 3].map((digits) => new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));
  const state = readState();
  let shown = [];

  // ---- state, kept in the address so that a view can be passed on
  function readState() {
    const given = new URLSearchParams(location.hash.slice(1));
    const made = { sheet: given.get("sheet"), from: given.get("from") || "", to: given.get("to") || "", theme: given.get("theme") || "", choices: {}, leaveOut: new Set() };
    for (const control of controls.all()) {
      if (control.kind === "choice" && given.has(control.id)) made.choices[control.id] = new Set(given.getAll(control.id));
      if (control.kind === "leave_out" && given.has(control.id)) made.leaveOut.add(control.id);
    }
    if (!sheets.some((sheet) => sheet.id === made.sheet)) made.sheet = sheets[0].id;
    return made;
  }

  function address(changed = {}) {
    const now = { ...state, ...changed };
    const made = new URLSearchParams({ sheet: now.sheet });
    for (const name of ["from", "to", "theme"]) if (now[name]) made.set(name, now[name]);
    for (const [id, chosen] of Object.entries(now.choices)) for (const value of chosen) made.append(id, value);
    for (const id of now.leaveOut) made.set(id, "yes");
    return `#${made}`;
  }

  // The filter of a dashboard's controls, by column.
  function filterOf(dashboard) {
    const made = { from: "", to: "", choices: {}, leftOut: {} };
    for (const control of dashboard.controls) {
      if (control.kind === "date_range") [made.from, made.to] = [state.from, state.to];
      if (control.kind === "choice" && state.choices[control.id]?.size) made.choices[control.column] = state.choices[control.id];
      if (control.kind === "leave_out" && state.leaveOut.has(control.id)) {
        made.leftOut[control.column] = new Set([...(made.leftOut[control.column] ?? []), control.value]);
      }
    }
    return made;
  }

  // ---- views: what a visual is, with the words for its rows
  function viewOf(visual, dashboard) {
    const dataset = held.datasets[visual.dataset];
    const cube = cubeOf(visual);
    const attributes = held.attributes[visual.dataset];
    const measure = (name) => dataset.measures[name];
    const named = (name, row) => row.labels?.[name] ?? cube.dimensions[name].values[row.codes[name]];
    const reliability = dataset.reliability;
    return {
      visual, dashboard, dataset, cube, measure,
      scales: held.scales,
      dimensions: [...new Set([visual.choose, visual.place, visual.slider, visual.x, visual.y, visual.series, ...visual.rows])].filter(Boolean),
      title: (name) => dataset.titles[name],
      heading: (name) => {
        const { title, unit } = measure(name);
        return unit === "1" || title.toLowerCase().includes(unit) ? title : `${title} (${unit})`;
      },
      value: named,
      label: (name, row) => String(named(name, row)),
      position: (name, row) => {
        const one = cube.dimensions[name];
        return one.times?.[row.codes[name]] ?? one.days?.[row.codes[name]] ?? named(name, row);
      },
      values: (name, rows) => [...new Set(rows.map((row) => row.codes[name]))].sort((one, other) => one - other).map((code) => cube.dimensions[name].values[code]),
      shown: (name, value) => shownValue(measure(name), value),
      isDoubtful: (row) => Boolean(reliability) && row.values[reliability.measure] < reliability.at_least,
      attributes: attributes ? attributesByKey(attributes) : new Map(),
      corridorOf: corridors(cube, visual.place),
    };
  }

  function shownValue(measure, value) {
    if (Number.isNaN(value)) return "–";
    if (measure.unit === "local time") return instants.format(value);
    return numbers[measure.digits].format(value);
  }

  const keyed = new Map();
  function attributesByKey(columns) {
    if (!keyed.has(columns)) {
      const names = Object.keys(columns).filter((name) => name !== "keys");
      keyed.set(columns, new Map(columns.keys.map((key, index) => [key, Object.fromEntries(names.map((name) => [name, columns[name][index]]))])));
    }
    return keyed.get(columns);
  }

  // The corridor of a row's place, from the cells; undefined where the cube does not know it.
  function corridors(cube, place) {
    if (!place || !cube.dimensions.corridor_id) return () => undefined;
    const found = new Map();
    const of = cube.dimensions.corridor_id;
    cube.dimensions[place].codes.forEach((code, cell) => found.set(code, of.values[of.codes[cell]]));
    return (row) => (found.get(row.codes[place]) === held.nowhere ? undefined : found.get(row.codes[place]));
  }

  // ---- rows of a visual
  function rowsOf(view, own) {
    const { visual, cube } = view;
    const filter = filterOf(view.dashboard);
    let selection = cells.selected(cube, filter);
    const narrowed = (name, code) => selection.filter((cell) => cube.dimensions[name].codes[cell] === code);
    view.selection = selection;
    for (const name of [visual.choose, visual.slider]) {
      if (!name) continue;
      const codes = cells.occurring(cube, selection, name);
      view[name === visual.slider ? "steps" : "options"] = codes;
      const wanted = codes.includes(own[name]) ? own[name] : name === visual.slider ? codes.at(-1) : mostOf(view, selection, name) ?? codes[0];
      own[name] = wanted;
      selection = narrowed(name, wanted);
    }
    let rows = cells.grouped(cube, selection, view.dimensions, held.needed[visual.id]);
    const firstDimension = visual.x ?? visual.rows[0] ?? visual.place;
    rows = visual.sort && visual.kind !== "heat_map" ? cells.ordered(rows, visual.sort) : firstDimension ? cells.ordered(rows, { by: firstDimension, descending: false }) : rows;
    view.leftOut = visual.limit && visual.kind !== "heat_map" ? Math.max(0, rows.length - visual.limit) : 0;
    if (visual.kind !== "heat_map") rows = rows.slice(0, visual.limit ?? undefined);
    if (visual.kind === "map") {
      const heard = rows.filter((row) => row.values[view.dataset.reliability?.measure] !== 0);
      rows = [...heard, ...silent(view, heard)];
    }
    if (visual.compare_weeks) view.earlier = earlierWeeks(view, rows, filter);
    if (visual.trend) view.trends = trends(view, rows, filter);
    return rows;
  }

  // What a chooser starts with: the one whose first measure is worst.
  function mostOf(view, selection, name) {
    const measure = view.visual.measures[0];
    const rows = cells.grouped(view.cube, selection, [name], held.needed[view.visual.id]);
    return cells.ordered(rows, { by: measure, descending: view.measure(measure).worse !== "low" })[0]?.codes[name];
  }

  // Places of which nothing was observed at this step, as rows of which nothing is known; those of other zones are left
  // out.
  function silent(view, rows) {
    const { cube, visual, selection } = view;
    const present = new Set(rows.map((row) => view.label(visual.place, row)));
    const nothing = Object.fromEntries(held.needed[visual.id].map((name) => [name, NaN]));
    const known = cube.dimensions[visual.place].values;
    const candidates = new Map(cells.occurring(cube, selection, visual.place).map((code) => [known[code], code]));
    const everywhere = !Object.keys(filterOf(view.dashboard).choices).length;
    if (everywhere) for (const key of view.attributes.keys()) if (!candidates.has(key)) candidates.set(key, undefined);
    return [...candidates].filter(([key]) => !present.has(key)).map(([key, code]) => ({
      codes: { [visual.place]: code }, labels: { [visual.place]: key, [visual.slider]: "nothing was sent" }, values: nothing, silent: true,
    }));
  }

  // Days of earlier weeks, whatever the date control says: {weeks, members}, members under the chosen days alone.
  function earlierWeeks(view, rows, filter) {
    const { visual, cube } = view;
    const all = cells.grouped(cube, cells.selected(cube, { ...filter, from: "", to: "" }), [visual.x], held.needed[visual.id]);
    const byDay = new Map(all.map((row) => [view.position(visual.x, row), row]));
    return [...Array(visual.compare_weeks).keys()].map((index) => {
      const weeks = index + 1;
      const members = rows.map((row) => byDay.get(cells.daysEarlier(view.position(visual.x, row), 7 * weeks))).filter(Boolean);
      return { weeks, members };
    }).filter(({ members }) => members.length);
  }

  function trends(view, rows, filter) {
    const { visual, cube } = view;
    const { over, measure } = visual.trend;
    const all = cells.grouped(cube, cells.selected(cube, { ...filter, from: "", to: "" }), [...view.dimensions, over], [measure]);
    const key = (row) => view.dimensions.map((name) => row.codes[name]).join("|");
    const courses = new Map(rows.map((row) => [key(row), new Map()]));
    for (const row of cells.ordered(all, { by: over, descending: false })) courses.get(key(row))?.set(view.position(over, row), row.values[measure]);
    return (row) => {
      const course = courses.get(key(row));
      const inRange = [...course].filter(([day]) => (!filter.from || day >= filter.from) && (!filter.to || day <= filter.to));
      return { ...cells.weeklyChange(course, filter.from, filter.to), course: inRange.map(([, value]) => value) };
    };
  }

  // ---- visuals
  const theme = () => {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    return { ink: of("--ink"), ground: of("--ground"), grid: of("--grid"), dark: of("--dark") === "1" };
  };

  function mount(visual, dashboard) {
    const own = {};
    const id = `visual-${visual.id}`;
    const parts = {
      tools: element("div", { class: "tools" }), picture: element("div", { class: "picture" }), empty: element("p", { class: "empty", hidden: true }),
      summary: element("p", { class: "summary", id: `${id}-summary` }), note: element("p", { class: "note" }), behind: element("div", { class: "behind" }),
    };
    const figure = element("figure", { "aria-labelledby": `${id}-title`, "aria-describedby": `${id}-summary` }, parts.tools, parts.empty, parts.picture, element("figcaption", {}, parts.summary, parts.note));
    const article = element("article", { id, class: `visual ${visual.kind}`, "aria-labelledby": `${id}-title` },
      element("h3", { id: `${id}-title` }, visual.title), element("p", { class: "description" }, visual.description), figure, parts.behind);
    const mounted = { visual, article, own, view: viewOf(visual, dashboard), draw: () => draw(mounted, parts) };
    return mounted;
  }

  function draw(mounted, parts) {
    const { visual, own, view } = mounted;
    const rows = rowsOf(view, own);
    mounted.rows = rows;
    const problem = words.why(view, rows);
    parts.empty.textContent = problem;
    parts.empty.hidden = !problem;
    parts.picture.hidden = Boolean(problem);
    parts.summary.textContent = problem || visual.kind === "kpi" ? "" : words.summary(view, rows);
    parts.note.textContent = words.note(view, rows);
    tools(mounted, parts);
    if (!parts.behind.children.length) behind(mounted, parts.behind);
    parts.behind.hidden = Boolean(view.cube.missing);
    if (mounted.refreshTable) mounted.refreshTable();
    if (problem) {
      if (parts.picture.data) Plotly.purge(parts.picture);
      return;
    }
    if (visual.kind === "kpi") return void parts.picture.replaceChildren(kpi(view, rows[0]));
    if (visual.kind === "table") return void parts.picture.replaceChildren(tables.table(view, rows, visual.title, trendColumns(view)));
    parts.picture.setAttribute("role", "img");
    parts.picture.setAttribute("aria-label", words.summary(view, rows));
    const { data, layout } = figures[visual.kind](view, theme(), rows);
    Plotly.react(parts.picture, data, layout, { displayModeBar: false, responsive: true, doubleClick: "reset" });
  }

  function kpi(view, row) {
    const doubtful = view.isDoubtful(row);
    const items = view.visual.measures.map((name) => {
      const one = view.measure(name);
      return element("div", { class: "kpi-item", "data-measure": name, "data-value": row.values[name] },
        element("dt", {}, view.heading(name)), element("dd", { title: one.description }, element("strong", {}, view.shown(name, row.values[name]))));
    });
    const list = element("dl", { class: doubtful ? "kpis doubtful" : "kpis" }, ...items);
    return doubtful ? element("div", {}, list, element("p", { class: "mark" }, "Less than 80 % was observed: take these figures as doubtful.")) : list;
  }

  function trendColumns(view) {
    if (!view.trends) return [];
    const measure = view.measure(view.visual.trend.measure);
    const node = (row) => {
      const { share, pairs, course } = view.trends(row);
      const percent = (100 * share).toLocaleString("en", { maximumFractionDigits: 0, signDisplay: "exceptZero" });
      return element("span", { class: "trend" }, tables.sparkline(course), Number.isNaN(share) ? "no week to compare" : ` ${percent} % (${pairs})`);
    };
    return [{ title: `Trend of ${measure.title.toLowerCase()}`, numeric: false, node }];
  }

  // The slider and the chooser of a visual; rebuilt only where what they offer has changed.
  function tools(mounted, parts) {
    const { view, own, visual } = mounted;
    const offered = JSON.stringify([view.options, view.steps]);
    if (mounted.offered !== offered) {
      mounted.offered = offered;
      clearInterval(mounted.playing);
      parts.tools.replaceChildren(...[visual.choose && view.options.length && chooser(mounted), visual.slider && view.steps.length && slider(mounted)].filter(Boolean));
    }
    mounted.refreshTools?.();
  }

  function chooser(mounted) {
    const { view, own, visual } = mounted;
    const values = view.cube.dimensions[visual.choose].values;
    const select = element("select", {}, ...view.options.map((code) => element("option", { value: code, selected: code === own[visual.choose] }, values[code])));
    select.addEventListener("change", () => {
      own[visual.choose] = Number(select.value);
      mounted.draw();
    });
    return element("label", {}, `${capital(view.title(visual.choose))} `, select);
  }

  function slider(mounted) {
    const { view, own, visual } = mounted;
    const { steps } = view;
    const labels = view.cube.dimensions[visual.slider].values;
    const range = element("input", { type: "range", min: 0, max: steps.length - 1, step: 1, id: `${visual.id}-slider` });
    const output = element("output", { for: `${visual.id}-slider` });
    const play = element("button", { type: "button" }, "Play");
    const stop = () => {
      clearInterval(mounted.playing);
      mounted.playing = undefined;
      play.textContent = "Play";
    };
    const go = (index) => {
      own[visual.slider] = steps[index];
      mounted.draw();
    };
    range.addEventListener("input", () => {
      stop();
      go(Number(range.value));
    });
    play.addEventListener("click", () => {
      if (mounted.playing) return stop();
      play.textContent = "Pause";
      let index = steps.indexOf(own[visual.slider]);
      mounted.playing = setInterval(() => go((index = (index + 1) % steps.length)), 700);
    });
    mounted.refreshTools = () => {
      const label = labels[own[visual.slider]];
      range.value = steps.indexOf(own[visual.slider]);
      range.setAttribute("aria-valuetext", label);
      output.textContent = label;
    };
    return element("div", { class: "slider" }, element("label", { for: `${visual.id}-slider` }, capital(view.title(visual.slider))), range, output, play);
  }

  function behind(mounted, place) {
    const { visual } = mounted;
    if (visual.kind !== "kpi" && visual.kind !== "table") {
      const content = element("div");
      const details = element("details", { class: "rows" }, element("summary", {}, `Table of “${visual.title}”`), content);
      mounted.refreshTable = () => {
        if (details.open) content.replaceChildren(tables.table(mounted.view, mounted.rows, visual.title), tables.downloadButton(mounted.view, () => mounted.rows));
      };
      details.addEventListener("toggle", mounted.refreshTable);
      place.append(details);
    } else if (visual.kind === "table") {
      place.append(tables.downloadButton(mounted.view, () => mounted.rows));
    }
    place.append(words.formulas(mounted.view));
  }

  const capital = (text) => text[0].toUpperCase() + text.slice(1);

  // ---- the whole
  function buildSheets() {
    const list = document.getElementById("sheets");
    list.replaceChildren(...held.dashboards.map((dashboard) => element("li", {}, element("span", { class: "of" }, dashboard.title), element("ul", {}, ...dashboard.sheets.map((sheet) => {
      const link = element("a", { href: address({ sheet: sheet.id }), "data-sheet": sheet.id, "aria-current": sheet.id === state.sheet ? "page" : null }, sheet.title);
      link.addEventListener("click", (event) => {
        event.preventDefault();
        state.sheet = sheet.id;
        openSheet();
        document.querySelector("main h2").focus();
      });
      return element("li", {}, link);
    })))));
  }

  function openSheet() {
    for (const one of shown) clearInterval(one.playing);
    for (const picture of document.querySelectorAll("main .js-plotly-plot")) Plotly.purge(picture);
    const sheet = sheets.find((one) => one.id === state.sheet);
    shown = sheet.visuals.map((visual) => mount(visual, sheet.dashboard));
    const main = document.getElementById("content");
    main.replaceChildren(element("h1", {}, sheet.dashboard.title), element("p", { class: "description" }, sheet.dashboard.description), ...banner(),
      element("h2", { tabindex: "-1" }, sheet.title), element("p", { class: "question" }, sheet.question), element("div", { class: "visuals" }, ...shown.map((one) => one.article)));
    document.title = `${sheet.title} – trafficlake`;
    changed();
  }

  // What a planner must know before anything else: that there is nothing to see.
  function banner() {
    const own = Object.entries(held.cubes).filter(([, cube]) => held.datasets[cube.dataset].reliability);
    const said = (text) => [element("p", { class: "notice", role: "alert" }, text)];
    if (own.every(([, cube]) => !cube.cells)) return own.length ? said("There is no congestion figure yet: the marts hold no rows. What arrived is shown under Arrival and reconciliation.") : [];
    const coarse = own.filter(([name, cube]) => cube.cells && name.endsWith(".coarse"));
    const isUnobserved = ([name, { dataset, cells: count }]) => {
      const { measure } = held.datasets[dataset].reliability;
      const [row] = cells.grouped(decodedCube(name), [...Array(count).keys()], [], [measure]);
      return row.values[measure] === 0;
    };
    return coarse.length && coarse.every(isUnobserved) ? said("No sensor sent anything usable in the days that this page holds: there are rows, but no figure.") : [];
  }

  function changed() {
    history.replaceState(null, "", address());
    buildSheets();
    for (const one of shown) one.draw();
    const filter = filterOf(sheets.find((one) => one.id === state.sheet).dashboard);
    const chosen = Object.values(filter.choices).flatMap((values) => [...values]);
    document.getElementById("status").textContent = `Showing ${filter.from || "the first day"} to ${filter.to || "the newest day"}, ${chosen.length ? chosen.join(", ") : "everything"}${state.leaveOut.size ? ", without holidays" : ""}.`;
  }

  function applyTheme() {
    if (state.theme) document.documentElement.dataset.theme = state.theme;
    else delete document.documentElement.dataset.theme;
  }

  function start() {
    applyTheme();
    const select = document.getElementById("theme");
    select.value = state.theme;
    select.addEventListener("change", () => {
      state.theme = select.value;
      applyTheme();
      changed();
    });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", changed);
    addEventListener("hashchange", () => {  // an address that was pasted, not one that the page wrote itself
      Object.assign(state, readState());
      applyTheme();
      select.value = state.theme;
      controls.build(state, changed);
      openSheet();
    });
    document.querySelector(".skip").addEventListener("click", (event) => {
      event.preventDefault();
      document.getElementById("content").focus();
    });
    document.getElementById("held").textContent = `Built ${held.built_at}. Days and hours are local time (${held.time_zone}); speeds km/h, lengths km, delay vehicle hours (veh·h). Figures are sums and ratios of sums of the marts' rows. Anything less than 80 % observed is grey or hatched.`;
    controls.build(state, changed);
    openSheet();
    if (held.refresh_s) setTimeout(() => location.reload(), 1000 * held.refresh_s);
  }

  start();
  return { shown: () => shown };
})();
