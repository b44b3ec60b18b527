// The page: its state, its sheets and their visuals. Rows come from views.js, pictures from figures.js, texts from
// words.js, filters from controls.js.
"use strict";

const trafficlakePage = (() => {
  const held = window.trafficlakeData;
  const { element } = tables;
  const sheets = held.dashboards.flatMap((dashboard) => dashboard.sheets.map((sheet) => ({ ...sheet, dashboard })));
  const state = readState();
  let shown = [];

  // ---- state, kept in the address so that a view can be passed on
  function readState() {
    const given = new URLSearchParams(location.hash.slice(1));
    const made = { sheet: given.get("sheet"), from: given.get("from") || "", to: given.get("to") || "", allDays: given.get("days") === "all", theme: given.get("theme") || "", choices: {}, leaveOut: new Set() };
    for (const control of held.dashboards.flatMap((dashboard) => dashboard.controls)) {
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
    if (now.allDays) made.set("days", "all");
    for (const [id, chosen] of Object.entries(now.choices)) for (const value of chosen) made.append(id, value);
    for (const id of now.leaveOut) made.set(id, "yes");
    return `#${made}`;
  }

  // The filter of a dashboard's controls, by column.
  function filterOf(dashboard) {
    const made = { from: "", to: "", choices: {}, leftOut: {}, ofDays: held.of_days };
    for (const control of dashboard.controls) {
      if (control.kind === "date_range") Object.assign(made, controls.daysLeft(control, state));
      if (control.kind === "choice" && state.choices[control.id]?.size) made.choices[control.column] = state.choices[control.id];
      if (control.kind === "leave_out" && state.leaveOut.has(control.id)) {
        made.leftOut[control.column] = new Set([...(made.leftOut[control.column] ?? []), control.value]);
      }
    }
    return made;
  }

  // ---- visuals
  const theme = () => {
    const style = getComputedStyle(document.documentElement);
    const of = (name) => style.getPropertyValue(name).trim();
    return { ink: of("--ink"), soft: of("--soft"), ground: of("--ground"), grid: of("--grid"), dark: of("--dark") === "1", isTouched: matchMedia("(pointer: coarse)").matches };
  };

  function mount(visual, dashboard) {
    const own = {};
    const id = `visual-${visual.id}`;
    const parts = {
      tools: element("div", { class: "tools" }), picture: element("div", { class: "picture" }), empty: element("p", { class: "empty", hidden: true }),
      summary: element("p", { class: visual.kind === "kpi" ? "summary unseen" : "summary", id: `${id}-summary` }), note: element("p", { class: "note" }), behind: element("div", { class: "behind" }),
    };
    const figure = element("figure", { "aria-labelledby": `${id}-title`, "aria-describedby": `${id}-summary` }, parts.tools, parts.empty, parts.picture, element("figcaption", {}, parts.summary, parts.note));
    const article = element("article", { id, class: `visual ${visual.kind}`, "aria-labelledby": `${id}-title` },
      element("h3", { id: `${id}-title` }, visual.title), element("p", { class: "description" }, visual.description), figure, parts.behind);
    const mounted = { visual, article, own, view: views.of(visual, dashboard), draw: () => draw(mounted, parts) };
    return mounted;
  }

  function draw(mounted, parts) {
    const { visual, own, view } = mounted;
    const rows = views.rows(view, own, filterOf(view.dashboard));
    mounted.rows = rows;
    const problem = words.why(view, rows);
    parts.empty.textContent = problem;
    parts.empty.hidden = !problem;
    parts.picture.hidden = Boolean(problem);
    parts.summary.textContent = problem ? "" : words.summary(view, rows);
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
    // The parts of an image are hidden from screen readers, and a map has buttons.
    parts.picture.setAttribute("role", visual.kind === "map" ? "group" : "img");
    parts.picture.setAttribute("aria-label", words.summary(view, rows));
    const { data, layout } = figures[visual.kind](view, theme(), rows);
    Plotly.react(parts.picture, data, layout, {
      displayModeBar: visual.kind === "map", modeBarButtons: [["zoomIn2d", "zoomOut2d", "resetScale2d"]], displaylogo: false,
      responsive: true, doubleClick: "reset",
    });
  }

  function kpi(view, row) {
    const doubtful = view.isDoubtful(row);
    const items = view.visual.measures.map((name) => {
      const one = view.measure(name);
      return element("div", { class: "kpi-item", "data-measure": name, "data-value": row.values[name] },
        element("dt", {}, view.heading(name)), element("dd", { title: one.description }, element("strong", {}, view.shown(name, row.values[name]))));
    });
    const list = element("dl", { class: doubtful ? "kpis doubtful" : "kpis" }, ...items);
    return doubtful ? element("div", {}, list, element("p", { class: "mark" }, `These figures are ${view.doubt}: take them as doubtful.`)) : list;
  }

  function trendColumns(view) {
    if (!view.trends) return [];
    const measure = view.measure(view.visual.trend.measure);
    const node = (row) => {
      const { share, pairs, course } = view.trends.of(row);
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
      mounted.playing = undefined;
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
        if (sheet.id !== state.sheet) history.pushState(null, "", address({ sheet: sheet.id }));
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
    controls.build(sheet.dashboard, state, changed);
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
      const [row] = cells.grouped(views.decodedCube(name), [...Array(count).keys()], [], [measure]);
      return row.values[measure] === 0;
    };
    return coarse.length && coarse.every(isUnobserved) ? said("No sensor sent anything usable in the days that this page holds: there are rows, but no figure.") : [];
  }

  function changed() {
    history.replaceState(null, "", address());
    buildSheets();
    const { dashboard } = sheets.find((one) => one.id === state.sheet);
    for (const control of dashboard.controls) if (control.kind === "date_range") controls.showDays(control, state);
    for (const one of shown) one.draw();
    const filter = filterOf(dashboard);
    const chosen = Object.values(filter.choices).flatMap((values) => [...values]);
    const leftOut = dashboard.controls.filter((control) => control.kind === "leave_out" && state.leaveOut.has(control.id)).map(({ title }) => ` ${title}: yes.`);
    document.getElementById("status").textContent = `Showing ${filter.from || "the first day"} to ${filter.to || "the newest day"}, ${chosen.length ? chosen.join(", ") : "everything"}.${leftOut.join("")}`;
  }

  // ---- what a served page keeps when it loads itself anew, beside what the address says
  const KEPT = "trafficlake view";

  function keepView() {
    const kept = shown.map(({ visual, view, own, article }) => {
      const value = (name) => view.cube.dimensions[name].values[own[name]];
      // Who has left the slider where it starts wants the newest also then.
      const isAtStart = own[visual.slider] === view.start;
      const names = [visual.choose, isAtStart ? null : visual.slider].filter(Boolean);
      return [visual.id, {
        values: Object.fromEntries(names.map((name) => [name, value(name)])),
        open: [...article.querySelectorAll("details")].map((details) => details.open),
      }];
    });
    sessionStorage.setItem(KEPT, JSON.stringify(Object.fromEntries(kept)));
  }

  function restoreView() {
    const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
    sessionStorage.removeItem(KEPT);
    for (const mounted of shown) {
      const { values = {}, open = [] } = kept[mounted.visual.id] ?? {};
      for (const [name, value] of Object.entries(values)) mounted.own[name] = mounted.view.cube.dimensions[name].values.indexOf(value);
      mounted.draw();
      mounted.article.querySelectorAll("details").forEach((details, index) => { details.open = Boolean(open[index]); });
    }
  }

  function applyTheme() {
    if (state.theme) document.documentElement.dataset.theme = state.theme;
    else delete document.documentElement.dataset.theme;
  }

  // How what is doubtful looks, by the bounds of the datasets.
  function doubtfulIs() {
    const bounds = new Set(Object.values(held.datasets).flatMap(({ reliability }) => (reliability ? [`${reliability.at_least} %`] : [])));
    return bounds.size ? ` Anything less than ${[...bounds].join(" or ")} observed is grey, dotted, hollow or hatched.` : "";
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
    addEventListener("popstate", () => {  // back, forward, or an address that was pasted
      Object.assign(state, readState());
      applyTheme();
      select.value = state.theme;
      openSheet();
    });
    document.querySelector(".skip").addEventListener("click", (event) => {
      event.preventDefault();
      document.getElementById("content").focus();
    });
    document.getElementById("held").textContent = `Built ${held.built_at}. Days and hours are local time (${held.time_zone}); speeds km/h, lengths km, delay vehicle hours (veh·h). Figures are sums and ratios of sums of the marts' rows.${doubtfulIs()}`;
    openSheet();
    if (!held.refresh_s) return;
    restoreView();
    setTimeout(() => {
      keepView();
      location.reload();
    }, 1000 * held.refresh_s);
  }

  start();
  return { shown: () => shown };
})();
