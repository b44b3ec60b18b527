// Figures: from rows to what Plotly draws. Pure functions of a view (see page.js), a theme and the rows of a visual.
"use strict";

const figures = (() => {
  const DOUBTFUL = "#8c8c8c";
  // Okabe and Ito's colours, which differ for every kind of colour vision; for dark and for light ground.
  const LINES = {
    light: ["#0072b2", "#b34700", "#007a5a", "#8a4a78", "#5c5c00", "#3d3d3d"],
    dark: ["#56b4e9", "#e69f00", "#2fc39a", "#cc79a7", "#f0e442", "#d0d0d0"],
  };
  const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
  const PATTERNS = ["/", "\\", "x"];  // of doubtful bars, by measure

  // Strokes over doubtful cells, the lower first: on every colour of a scale one of the two stands out.
  const HATCHING = [{ color: "#ffffff", width: 5 }, { color: "#000000", width: 2 }];

  const LARGE = 800;  // segments on a map

  const escaped = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;");

  function layout(theme, more) {
    const axis = { gridcolor: theme.grid, linecolor: theme.grid, zerolinecolor: theme.grid, automargin: true };
    const { xaxis, yaxis, ...rest } = more;
    return {
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: theme.ink, family: "system-ui, sans-serif", size: 13 },
      margin: { l: 12, r: 12, t: 12, b: 12 },
      hoverlabel: { align: "left" },
      dragmode: false,
      showlegend: false,
      legend: { traceorder: "normal", orientation: "h", y: 1.02, yanchor: "bottom", x: 0 },
      ...rest,
      xaxis: { ...axis, ...xaxis },
      yaxis: { ...axis, ...yaxis },
    };
  }

  // The end of the scale that a planner should worry about stands out from the ground.
  function scale(view, theme) {
    const worseIsHigh = view.measure(view.visual.measures[0]).worse !== "low";
    const stops = [...view.scales[view.visual.colors.scale]];
    if (worseIsHigh !== theme.dark) stops.reverse();
    return stops.map((color, index) => [index / (stops.length - 1), color]);
  }

  const axisTitle = (measure) => ({ text: measure.unit === "1" ? measure.title : `${measure.title} (${measure.unit})` });
  // Several measures share an axis by their unit.
  const sharedTitle = (view) => (view.visual.measures.length > 1 ? { text: view.measure(view.visual.measures[0]).unit } : axisTitle(view.measure(view.visual.measures[0])));
  // On two lines: one would be cut beside a heat map of few lines.
  const colorBar = (measure) => ({ title: { text: axisTitle(measure).text.replace(" (", "<br>("), side: "right" }, thickness: 12, len: 0.9 });

  function hover(view, row) {
    const names = Object.keys(row.codes).map((name) => escaped(view.label(name, row)));
    const values = view.visual.measures.map((name) => `${escaped(view.measure(name).title)}: ${escaped(view.shown(name, row.values[name]))}`);
    return [...names, ...values, ...(view.isDoubtful(row) ? [view.doubt] : [])].join("<br>");
  }

  // ---- map
  function place(view, row) {
    const at = view.attributes.get(view.label(view.visual.place, row));
    return at && at.latitude !== null && at.longitude !== null ? at : null;
  }

  // Where each segment is drawn, by row: [longitude, latitude], and its stretch: from half-way to its neighbour upstream
  // to half-way to that downstream. The directions of a road share its coordinates, so each is moved to its right.
  function drawn(view, rows) {
    const placed = rows.filter((row) => place(view, row)).map((row) => ({ row, at: place(view, row) }));
    const spread = (name) => Math.max(...placed.map(({ at }) => at[name])) - Math.min(...placed.map(({ at }) => at[name]));
    const narrowing = Math.max(0.05, Math.cos(((placed[0]?.at.latitude ?? 0) * Math.PI) / 180));
    const aside = 0.009 * Math.max(spread("longitude") * narrowing, spread("latitude"));
    const corridors = new Map();
    for (const one of placed) {
      one.point = [one.at.longitude, one.at.latitude];
      const corridor = view.corridorOf(one.row);
      if (corridor === undefined || one.at.position_km === null) continue;
      if (!corridors.has(corridor)) corridors.set(corridor, []);
      corridors.get(corridor).push(one);
    }
    for (const members of corridors.values()) {
      members.sort((one, other) => one.at.position_km - other.at.position_km);
      members.forEach((one, index) => {
        const [before, after] = [(members[index - 1] ?? one).at, (members[index + 1] ?? one).at];
        const [along, up] = [(after.longitude - before.longitude) * narrowing, after.latitude - before.latitude];
        const length = Math.hypot(along, up);
        if (length) one.point = [one.at.longitude + (aside * up) / length / narrowing, one.at.latitude - (aside * along) / length];
      });
      const middle = (one, other) => one.point.map((value, index) => (value + other.point[index]) / 2);
      members.forEach((one, index) => {
        const ends = [members[index - 1] && middle(members[index - 1], one), members[index + 1] && middle(one, members[index + 1])];
        one.stretch = [ends[0], one.point, ends[1]].filter(Boolean);
      });
    }
    return placed;
  }

  // What lies under the lines of a map: the free-flow end of the scale would vanish against the ground. Doubtful lines
  // have none, for it would fill their gaps.
  function outline(lines, theme) {
    if (!lines.length) return [];
    const joined = (axis) => lines.flatMap((line) => line[axis]);
    return [{ type: "scatter", mode: "lines", x: joined("x"), y: joined("y"), line: { color: theme.soft, width: lines[0].line.width + 2 }, hoverinfo: "skip" }];
  }

  function map(view, theme, rows) {
    const name = view.visual.measures[0];
    const { low, high } = view.visual.colors;
    const stops = scale(view, theme);
    const colorOf = (row) => {
      const value = row.values[name];
      if (view.isDoubtful(row) || Number.isNaN(value)) return DOUBTFUL;
      const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
      return stops[Math.round(share * (stops.length - 1))][1];
    };
    const all = drawn(view, rows);
    const placed = all.map(({ row }) => row);
    const isLarge = all.length > LARGE;
    const lines = new Map();
    for (const { row, stretch } of all) {
      if (!stretch) continue;
      const color = colorOf(row);
      if (!lines.has(color)) lines.set(color, { x: [], y: [], text: [] });
      const line = lines.get(color);
      const text = isLarge ? hover(view, row) : "";
      for (const [x, y] of [...stretch, [null, null]]) {
        line.x.push(x);
        line.y.push(y);
        line.text.push(text);
      }
    }
    const width = isLarge ? 3 : 5;
    const drawnLines = [...lines].map(([color, line]) => ({
      type: "scatter", mode: "lines", ...line, hoverinfo: isLarge ? "text" : "skip",
      line: { color, width, dash: color === DOUBTFUL ? "dot" : "solid" },  // dots: dashes are longer than many segments
    }));
    const data = [...outline(drawnLines.filter(({ line }) => line.dash === "solid"), theme), ...drawnLines];
    const isKnown = (row) => !Number.isNaN(row.values[name]);
    // Thousands of marks would take seconds to draw: a large city has them where the line alone does not tell.
    const marked = isLarge ? all.filter(({ row, stretch }) => !stretch || !isKnown(row) || view.isDoubtful(row)) : all;
    const ofMarks = marked.map(({ row }) => row);
    data.push({
      type: "scatter",
      mode: "markers",
      x: marked.map(({ point }) => point[0]),
      y: marked.map(({ point }) => point[1]),
      text: ofMarks.map((row) => hover(view, row)),
      hoverinfo: "text",
      marker: {
        size: isLarge ? 4 : 8,
        symbol: ofMarks.map((row) => (isKnown(row) ? (view.isDoubtful(row) ? "diamond" : "circle") : "circle-open")),
        color: ofMarks.map(colorOf),
        line: { color: theme.soft, width: ofMarks.map((row) => (isKnown(row) ? 1 : 2)) },
      },
    });
    data.push({  // the legend of the colours: nothing is drawn
      type: "scatter", mode: "markers", x: [null], y: [null], hoverinfo: "skip",
      marker: { color: [low], cmin: low, cmax: high, colorscale: stops, showscale: true, colorbar: colorBar(view.measure(name)) },
    });
    const latitudes = placed.map((row) => place(view, row).latitude);
    const middle = latitudes.length ? (Math.min(...latitudes) + Math.max(...latitudes)) / 2 : 0;
    const bare = { visible: false, showgrid: false, zeroline: false };
    return {
      data,
      layout: layout(theme, {
        xaxis: bare,
        yaxis: { ...bare, scaleanchor: "x", scaleratio: 1 / Math.max(0.05, Math.cos((middle * Math.PI) / 180)) },
        height: 460,
        margin: { l: 12, r: 12, t: 36, b: 12 },
        dragmode: theme.isTouched ? false : "pan",  // a finger on the map scrolls the page
        modebar: { color: theme.soft, activecolor: theme.ink, bgcolor: "rgba(0,0,0,0)" },
        hovermode: "closest",
        uirevision: "map",
      }),
    };
  }

  // ---- heat map
  function heatMap(view, theme, rows) {
    const { x, y, measures: [name], colors } = view.visual;
    const columns = x === "local_hour" ? [...Array(24).keys()] : view.values(x, rows);
    const lines = view.visual.sort ? byWorst(view, rows) : view.values(y, rows);
    const at = new Map(rows.map((row) => [`${view.value(x, row)}|${view.value(y, row)}`, row]));
    const cellsOf = (content) => lines.map((line) => columns.map((column) => {
      const row = at.get(`${column}|${line}`);
      return row ? content(row) : null;
    }));
    const doubtful = rows.filter((row) => view.isDoubtful(row) && lines.includes(view.value(y, row)));
    const hatching = ({ color, width }) => ({
      type: "scatter", mode: "markers", hoverinfo: "skip",
      x: doubtful.map((row) => view.value(x, row)), y: doubtful.map((row) => escaped(view.value(y, row))),
      marker: { symbol: "line-ne-open", size: 13, color, line: { width } },  // an open symbol has the marker's colour
    });
    return {
      data: [
        {
          type: "heatmap", x: columns, y: lines.map(escaped), z: cellsOf((row) => finite(row.values[name])),
          text: cellsOf((row) => hover(view, row)), hoverinfo: "text", hoverongaps: false,
          zmin: colors.low, zmax: colors.high, colorscale: scale(view, theme), xgap: 1, ygap: 1,
          colorbar: colorBar(view.measure(name)),
        },
        ...HATCHING.map(hatching),
      ],
      layout: layout(theme, {
        height: Math.max(220, 110 + 24 * lines.length),
        xaxis: { title: { text: view.title(x) }, type: x === "local_hour" ? "linear" : "category", dtick: x === "local_hour" ? 3 : undefined },
        yaxis: { type: "category", autorange: "reversed" },
      }),
    };
  }

  // Values of y with the worst on top: by the highest value of the measure in any cell.
  function byWorst(view, rows) {
    const worst = new Map();
    for (const row of rows) {
      const value = row.values[view.visual.sort.by];
      const label = view.value(view.visual.y, row);
      if (!(worst.get(label) >= value)) worst.set(label, Number.isNaN(value) ? -Infinity : value);
    }
    return [...worst.keys()].sort((one, other) => worst.get(other) - worst.get(one)).slice(0, view.visual.limit ?? undefined);
  }

  const finite = (value) => (Number.isFinite(value) ? value : null);

  // ---- lines
  // Rows in their order, with null where a day or hour is missing between two, so that no line crosses it.
  function withGaps(view, rows) {
    const { x } = view.visual;
    return rows.flatMap((row, index) => (index && view.step(x, row) - view.step(x, rows[index - 1]) > 1 ? [null, row] : [row]));
  }

  function line(view, theme, rows) {
    const { x, series, measures } = view.visual;
    const colors = LINES[theme.dark ? "dark" : "light"];
    const traces = [];
    const add = (title, members, name, position = (row) => view.position(x, row)) => {
      const index = traces.length;
      const points = withGaps(view, members);
      const of = (content) => points.map((row) => row && content(row));
      traces.push({
        type: "scatter", mode: "lines+markers", name: escaped(title),
        x: of(position), y: of((row) => finite(row.values[name])),
        text: of((row) => hover(view, row)), hoverinfo: "text+name",
        line: { color: colors[index % colors.length], dash: DASHES[index % DASHES.length], width: index ? 1.5 : 3 },
        marker: {
          symbol: of((row) => (view.isDoubtful(row) ? "circle-open" : "circle")),
          color: of((row) => (view.isDoubtful(row) ? DOUBTFUL : colors[index % colors.length])),
          size: index && view.visual.compare_weeks ? 5 : 8,
        },
      });
    };
    for (const name of measures) {
      const groups = series ? view.values(series, rows) : [null];
      for (const group of groups) {
        const members = rows.filter((row) => group === null || view.value(series, row) === group);
        add([...(measures.length > 1 || !series ? [view.measure(name).title] : []), ...(series ? [group] : [])].join(", "), members, name);
      }
    }
    for (const { weeks, members } of view.earlier ?? []) {
      const later = (row) => cells.daysEarlier(view.position(x, row), -7 * weeks);
      add(`${weeks} ${weeks === 1 ? "week" : "weeks"} earlier`, members, measures[0], later);
    }
    const type = x === "local_hour" ? "linear" : "date";
    return {
      data: traces,
      layout: layout(theme, {
        height: 340, showlegend: traces.length > 1, hovermode: "closest",
        xaxis: { title: { text: view.title(x) }, type, ...(type === "linear" ? { dtick: 3, range: [-0.5, 23.5] } : dayTicks(traces)) },
        yaxis: { title: sharedTitle(view), rangemode: view.measure(measures[0]).unit === "1" ? "normal" : "tozero" },
      }),
    };
  }

  // Few days: a tick at each, so that none is labelled with an hour.
  function dayTicks(traces) {
    const days = new Set(traces.flatMap((trace) => trace.x.filter((day) => day !== null)));
    return days.size && days.size <= 10 && [...days].every((day) => day.length === 10) ? { tickvals: [...days], tickformat: "%a %-d %b" } : {};
  }

  // ---- bars
  function bar(view, theme, rows) {
    const { x, measures, stacked } = view.visual;
    const colors = LINES[theme.dark ? "dark" : "light"];
    const isTime = rows.length > 0 && view.position(x, rows[0]) !== view.value(x, rows[0]);
    const data = measures.map((name, index) => ({
      type: "bar", name: escaped(view.measure(name).title),
      [isTime ? "x" : "y"]: rows.map((row) => (isTime ? view.position(x, row) : escaped(view.value(x, row)))),
      [isTime ? "y" : "x"]: rows.map((row) => finite(row.values[name])),
      orientation: isTime ? "v" : "h",
      text: rows.map((row) => hover(view, row)), hoverinfo: "text", textposition: "none",
      marker: {
        color: rows.map((row) => (view.isDoubtful(row) ? DOUBTFUL : colors[index])),
        pattern: { shape: rows.map((row) => (view.isDoubtful(row) ? PATTERNS[index % PATTERNS.length] : "")), fgcolor: theme.ground, size: 6 },
      },
    }));
    const ofMeasure = { title: sharedTitle(view), rangemode: "tozero" };
    const ofX = isTime ? { type: "date", title: { text: view.title(x) } } : { type: "category", autorange: "reversed" };
    return {
      data,
      layout: layout(theme, {
        height: isTime ? 320 : Math.max(200, 100 + 30 * rows.length), barmode: stacked ? "stack" : "group",
        showlegend: measures.length > 1, hovermode: "closest",
        xaxis: isTime ? ofX : ofMeasure, yaxis: isTime ? ofMeasure : ofX,
      }),
    };
  }

  return { map, heat_map: heatMap, line, bar, place };
})();
