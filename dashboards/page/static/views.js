// Views: what a visual is and the rows that a filter leaves of it. Figures come from cells.js.
"use strict";

const views = (() => {
  const held = window.trafficlakeData;
  const HOUR_MS = 3_600_000;
  const MOST_HOURS_BACK = 3;  // from the newest hour: older ones do not tell where it is bad now
  const decodedCubes = new Map();
  const decodedCube = (name) => {
    if (!decodedCubes.has(name)) decodedCubes.set(name, cells.decoded(held.cubes[name]));
    return decodedCubes.get(name);
  };
  const instants = new Intl.DateTimeFormat("en-GB", { timeZone: held.time_zone, dateStyle: "medium", timeStyle: "short" });
  const numbers = [0, 1, 2, 3].map((digits) => new Intl.NumberFormat("en", { minimumFractionDigits: digits, maximumFractionDigits: digits }));

  // What a visual is, with the words for its rows.
  function of(visual, dashboard) {
    const dataset = held.datasets[visual.dataset];
    const cube = decodedCube(held.cube_of[visual.id]);
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
      exact: (name, row) => {
        const one = cube.dimensions[name];
        return one.moments?.[row.codes[name]] ?? one.days?.[row.codes[name]] ?? named(name, row);
      },
      // How far along a row is: in days, in hours where the column is an instant, or by its own number; NaN for a text.
      step: (name, row) => {
        const one = cube.dimensions[name];
        const code = row.codes[name];
        if (one.moments) return Date.parse(one.moments[code]) / HOUR_MS;
        if (one.days) return Date.parse(one.days[code]) / (24 * HOUR_MS);
        return typeof one.values[code] === "number" ? one.values[code] : NaN;
      },
      values: (name, rows) => [...new Set(rows.map((row) => row.codes[name]))].sort((one, other) => one - other).map((code) => cube.dimensions[name].values[code]),
      shown: (name, value) => shownValue(measure(name), value),
      doubt: reliability ? `less than ${reliability.at_least} % observed` : "",
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

  // The rows that a filter leaves of a view; `own` holds its place on the slider and what was chosen, by dimension.
  function rows(view, own, filter) {
    const { visual, cube } = view;
    const everything = cells.selected(cube, filter);
    let selection = everything;
    const narrowed = (name, code) => selection.filter((cell) => cube.dimensions[name].codes[cell] === code);
    view.chosen = [];
    for (const name of [visual.choose, visual.slider]) {
      if (!name) continue;
      const codes = cells.occurring(cube, selection, name);
      view[name === visual.slider ? "steps" : "options"] = codes;
      if (!codes.includes(own[name])) {
        own[name] = name === visual.slider ? whereToStart(view, selection, name) : mostOf(view, selection, name) ?? codes[0];
        if (name === visual.slider) view.start = own[name];
      }
      if (own[name] === undefined) continue;
      view.chosen.push(String(cube.dimensions[name].values[own[name]]));
      selection = narrowed(name, own[name]);
    }
    view.selection = selection;
    let made = cells.grouped(cube, selection, view.dimensions, held.needed[visual.id]);
    const firstDimension = visual.x ?? visual.rows[0] ?? visual.place;
    made = visual.sort && visual.kind !== "heat_map" ? cells.ordered(made, visual.sort) : firstDimension ? cells.ordered(made, { by: firstDimension, descending: false }) : made;
    view.leftOut = visual.limit && visual.kind !== "heat_map" ? Math.max(0, made.length - visual.limit) : 0;
    if (visual.kind !== "heat_map") made = made.slice(0, visual.limit ?? undefined);
    if (visual.kind === "map") {
      const heard = made.filter((row) => row.values[view.dataset.reliability?.measure] !== 0);
      made = [...heard, ...silent(view, heard, filter, everything)];
    }
    if (visual.compare_weeks) view.earlier = earlierWeeks(view, made, filter);
    if (visual.trend) view.trends = trends(view, made, filter);
    return made;
  }

  // What a slider starts with: the newest step, or, for the hour that runs has hardly begun, the newest of those shortly
  // before that is observed well enough.
  function whereToStart(view, selection, name) {
    const { reliability } = view.dataset;
    const steps = cells.ordered(cells.grouped(view.cube, selection, [name], reliability ? [reliability.measure] : []), { by: name, descending: true });
    const isRecent = (row) => view.step(name, steps[0]) - view.step(name, row) <= MOST_HOURS_BACK;
    return (steps.find((row) => isRecent(row) && !view.isDoubtful(row)) ?? steps[0])?.codes[name];
  }

  // What a chooser starts with: the one whose first measure is worst.
  function mostOf(view, selection, name) {
    const measure = view.visual.measures[0];
    const rows = cells.grouped(view.cube, selection, [name], held.needed[view.visual.id]);
    return cells.ordered(rows, { by: measure, descending: view.measure(measure).worse !== "low" })[0]?.codes[name];
  }

  // Places of which nothing was observed at this step, as rows of which nothing is known; those of other zones are left
  // out. `selection` is of all steps.
  function silent(view, rows, filter, selection) {
    const { cube, visual } = view;
    const present = new Set(rows.map((row) => view.label(visual.place, row)));
    const nothing = Object.fromEntries(held.needed[visual.id].map((name) => [name, NaN]));
    const known = cube.dimensions[visual.place].values;
    const candidates = new Map(cells.occurring(cube, selection, visual.place).map((code) => [known[code], code]));
    const everywhere = !Object.keys(filter.choices).length;
    if (everywhere) for (const key of view.attributes.keys()) if (!candidates.has(key)) candidates.set(key, undefined);
    return [...candidates].filter(([key]) => !present.has(key)).map(([key, code]) => ({
      codes: { [visual.place]: code }, labels: { [visual.place]: key, [visual.slider]: "nothing usable was sent" }, values: nothing, silent: true,
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

  // The days that are compared with a week earlier, {from, to}, empty where there are none, and `of` a row its change and the course of its days.
  // They end with the newest day that is observed well enough anywhere, for the one that runs is not over; a doubtful
  // day is compared with none.
  function trends(view, rows, filter) {
    const { visual, cube } = view;
    const { over, measure, days: compared } = visual.trend;
    const all = cells.grouped(cube, cells.selected(cube, { ...filter, from: "", to: "" }), [...view.dimensions, over], held.needed[visual.id]);
    const key = (row) => view.dimensions.map((name) => row.codes[name]).join("|");
    const courses = new Map(rows.map((row) => [key(row), new Map()]));
    for (const row of cells.ordered(all, { by: over, descending: false })) courses.get(key(row))?.set(view.position(over, row), row);
    const reliable = all.filter((row) => !view.isDoubtful(row)).map((row) => view.position(over, row));
    const to = reliable.filter((day) => !filter.to || day <= filter.to).sort().at(-1) ?? "";
    const from = to && cells.daysEarlier(to, compared - 1);
    const of = (row) => {
      const days = [...courses.get(key(row))];
      const valueOf = new Map(days.filter(([, one]) => !view.isDoubtful(one)).map(([day, one]) => [day, one.values[measure]]));
      const course = [...valueOf].filter(([day]) => (!filter.from || day >= filter.from) && (!filter.to || day <= filter.to));
      return { ...cells.weeklyChange(valueOf, from, to), course };
    };
    return { from, to, of };
  }

  return { of, rows, decodedCube };
})();
