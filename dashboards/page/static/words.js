// What is said of a visual: why it is empty, what it shows, what it leaves out, and its formulas.
"use strict";

const words = (() => {
  const { element } = tables;

  function why(view, rows) {
    if (view.cube.missing) return view.cube.missing;
    if (!view.cube.cells) return view.dataset.source === "alert_table" ? "No segment was in alert when this page was built, as far as the alerts' table says." : `No data: ${view.dataset.mart} holds no rows yet.`;
    if (!rows.length) return "No data for these filters.";
    // That nothing was observed is a figure only where it is what is asked for.
    const others = view.visual.measures.filter((name) => name !== view.dataset.reliability?.measure);
    const measures = others.length ? others : view.visual.measures;
    if (rows.every((row) => measures.every((name) => Number.isNaN(row.values[name])))) return "No figure: nothing usable was observed for these filters.";
    return "";
  }

  function summary(view, rows) {
    const { visual } = view;
    const name = visual.measures[0];
    const known = cells.ordered(rows.filter((row) => !Number.isNaN(row.values[name])), { by: name, descending: true });
    const says = (row) => (row ? [visual.place, visual.x, visual.y, visual.series, ...visual.rows].filter(Boolean).map((one) => view.label(one, row)).join(", ") : "–");
    const top = visual.sort && visual.kind !== "heat_map" ? rows[0] : known[0];
    const said = {
      title: [visual.title, ...view.chosen].join(", "), measure: view.measure(name).title, unit: view.measure(name).unit,
      cells: rows.filter((row) => !row.silent).length.toLocaleString("en"), unreliable: rows.filter(view.isDoubtful).length.toLocaleString("en"),
      top: says(top), top_value: top ? view.shown(name, top.values[name]) : "–",
      bottom: says(known.at(-1)), bottom_value: known.length ? view.shown(name, known.at(-1).values[name]) : "–",
    };
    return visual.text_alternative.replace(/\{(\w+)\}/g, (_, word) => said[word]);
  }

  // Whether all that is shown at a slider's step is doubtful when taken together.
  function isDoubtfulStep(view) {
    const { reliability } = view.dataset;
    return Boolean(reliability) && cells.grouped(view.cube, view.selection, [], [reliability.measure]).some(view.isDoubtful);
  }

  // What is shown and what is not: days, thinning, filters that do not apply, places without coordinates.
  function note(view, rows) {
    const { cube, visual, selection } = view;
    const said = [];
    const days = cube.date ? [...new Set(cells.occurring(cube, selection, cube.date).map((code) => cube.dimensions[cube.date].days[code]))].sort() : [];
    if (!cube.date) said.push("Of the moment at which the page was built.");
    if (visual.slider && view.chosen.length) said.push(`Shows ${view.chosen.at(-1)}${isDoubtfulStep(view) ? `, which is ${view.doubt}` : ""}.`);
    else if (days.length) said.push(days.length === 1 ? `Shows ${days[0]}.` : `Shows ${days[0]} to ${days.at(-1)}.`);
    if (cube.thinned) said.push(`The page holds this since ${cube.since} alone, because with older days it would be too large: ${cube.cells.toLocaleString("en")} cells.`);
    else if (cube.since) said.push(`The page holds at most the latest ${view.dataset.latest_days} days of this.`);
    const applies = (control) => control.column in cube.dimensions || (Boolean(cube.date) && (control.kind === "date_range" || control.of_day));
    const without = view.dashboard.controls.filter((control) => !applies(control)).map((control) => control.title.toLowerCase());
    if (without.length) said.push(`Not filtered by: ${without.join(", ")}.`);
    if (view.leftOut) said.push(`The first ${visual.limit} of ${(visual.limit + view.leftOut).toLocaleString("en")}.`);
    if (visual.kind === "heat_map" && visual.limit) {
      const lines = new Set(rows.map((row) => row.codes[visual.y])).size;
      if (lines > visual.limit) said.push(`The first ${visual.limit} of ${lines.toLocaleString("en")}.`);
    }
    if (visual.kind === "map") {
      said.push("Directions of one road lie side by side.");
      if (view.doubt) said.push(`Grey, dotted lines and diamonds are ${view.doubt}; a hollow mark has no figure.`);
      const quiet = rows.filter((row) => row.silent).length;
      if (quiet) said.push(`${quiet.toLocaleString("en")} of ${rows.length.toLocaleString("en")} segments sent nothing usable in this hour.`);
      const lost = rows.filter((row) => !figures.place(view, row)).map((row) => view.label(visual.place, row));
      if (lost.length) said.push(`Not on the map, because the registry has no coordinates: ${lost.slice(0, 20).join(", ")}${lost.length > 20 ? ` and ${lost.length - 20} more` : ""} (the table has all).`);
    }
    if (visual.trend) said.push(trend(view));
    return said.join(" ");
  }

  function trend(view) {
    const { from, to } = view.trends;
    const enough = `at least ${view.dataset.reliability?.at_least ?? 0} % observed`;
    if (!to) return `Trend: no day is ${enough}.`;
    const measure = view.measure(view.visual.trend.measure).title.toLowerCase();
    return `Trend: mean ${measure} per day from ${from} to ${to}, whatever the first chosen day is, against the same weekdays a week before. Only days that are ${enough} in both weeks count; in brackets how many. The small line goes through the days that are observed that well, with gaps at the others.`;
  }

  function formulas(view) {
    const lines = view.visual.measures.map((name) => {
      const one = view.measure(name);
      return element("div", {}, element("dt", {}, one.title), element("dd", {}, `${one.description} `, element("code", {}, one.formula)));
    });
    const sql = window.trafficlakeData.sql[view.visual.id];
    const source = view.dataset.mart ? `From ${view.dataset.mart}.` : view.dataset.source_reason;
    return element("details", { class: "formulas" }, element("summary", {}, `Formulas and source of “${view.visual.title}”`),
      element("p", {}, source), element("dl", {}, ...lines),
      ...(sql ? [element("p", {}, "The same for all days, asked of Athena:"), element("pre", { tabindex: "0", role: "region", "aria-label": `SQL of ${view.visual.title}` }, element("code", {}, sql))] : []));
  }

  return { why, summary, note, formulas };
})();
