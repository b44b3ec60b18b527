// Tables: the rows behind a visual as HTML and as CSV. Text is set as text, never as markup.
"use strict";

const tables = (() => {
  const MOST_ROWS = 500;
  const DAY_MS = 86_400_000;

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) {
      if (value === false || value === null || value === undefined) continue;
      made.setAttribute(key, value === true ? "" : value);
    }
    made.append(...children);
    return made;
  }

  // Columns of a view's table: its dimensions, then its measures; each {title, numeric, text(row), plain(row)}.
  function columns(view) {
    const names = view.dimensions;
    const ofDimensions = names.map((name) => ({
      title: view.title(name), numeric: false, text: (row) => view.label(name, row), plain: (row) => view.exact(name, row),
    }));
    const ofMeasures = view.visual.measures.map((name) => ({
      title: view.heading(name), numeric: true, text: (row) => view.shown(name, row.values[name]), plain: (row) => (Number.isNaN(row.values[name]) ? "" : row.values[name]),
    }));
    return [...ofDimensions, ...ofMeasures];
  }

  // A table of rows in a region that can be scrolled by keyboard; doubtful rows say so. `extra` adds columns.
  function table(view, rows, caption, extra = []) {
    const all = [...columns(view), ...extra];
    const head = element("tr", {}, ...all.map((column) => element("th", { scope: "col", class: column.numeric ? "number" : null }, column.title)));
    const body = rows.slice(0, MOST_ROWS).map((row) => {
      const doubtful = view.isDoubtful(row);
      const line = all.map((column, index) => {
        const content = column.node ? column.node(row) : column.text(row);
        return index ? element("td", { class: column.numeric ? "number" : null }, content) : element("th", { scope: "row" }, content);
      });
      if (doubtful) line[0].append(element("span", { class: "mark" }, ` (${view.doubt})`));
      return element("tr", { class: doubtful ? "doubtful" : null }, ...line);
    });
    const made = element("table", {}, element("caption", {}, caption), element("thead", {}, head), element("tbody", {}, ...body));
    const box = element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": `Table: ${caption}` }, made);
    if (rows.length <= MOST_ROWS) return box;
    const more = `The first ${MOST_ROWS} of ${rows.length.toLocaleString("en")} rows; the CSV file holds all.`;
    return element("div", {}, box, element("p", { class: "note" }, more));
  }

  function csv(view, rows) {
    const all = columns(view);
    const cell = (value) => {
      const text = String(value);
      // A text that a spreadsheet would take for a formula gets an apostrophe; numbers stay numbers.
      const safe = typeof value === "string" && /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
      return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
    };
    const lines = [all.map((column) => column.title), ...rows.map((row) => all.map((column) => column.plain(row)))];
    return lines.map((line) => line.map(cell).join(",")).join("\r\n") + "\r\n";
  }

  function downloadButton(view, rows) {
    const button = element("button", { type: "button" }, "Download as CSV");
    button.addEventListener("click", () => {
      const link = element("a", { href: URL.createObjectURL(new Blob([csv(view, rows())], { type: "text/csv" })), download: `${view.visual.id}.csv` });
      link.click();
      URL.revokeObjectURL(link.href);
    });
    return button;
  }

  // The course of [ISO day, value] in order as a small picture, with a gap where a day is missing; the numbers are beside
  // it.
  function sparkline(course) {
    const known = course.filter(([, value]) => !Number.isNaN(value)).map(([day, value]) => [Date.parse(day) / DAY_MS, value]);
    const [width, height] = [90, 22];
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    svg.setAttribute("class", "sparkline");
    svg.setAttribute("aria-hidden", "true");
    if (known.length < 2) return svg;
    const most = Math.max(...known.map(([, value]) => value)) || 1;
    const [first, last] = [known[0][0], known.at(-1)[0]];
    const steps = known.map(([day, value], index) => {
      const x = 2 + ((day - first) * (width - 4)) / (last - first);
      const y = height - 2 - ((height - 4) * value) / most;
      const isNext = index > 0 && day - known[index - 1][0] === 1;
      // "h0" makes a day without neighbours a dot.
      return isNext ? `L${x.toFixed(1)},${y.toFixed(1)}` : `M${x.toFixed(1)},${y.toFixed(1)}h0`;
    });
    const line = document.createElementNS("http://www.w3.org/2000/svg", "path");
    line.setAttribute("d", steps.join(""));
    svg.append(line);
    return svg;
  }

  return { element, table, csv, downloadButton, sparkline };
})();
