"use strict";
(() => {
  const PAGE = 50;
  const SHOWN = [
    ["number", "#"], ["queue", "queue"], ["call", "call"], ["line", "line"], ["size", "size"], ["issue", "issue"],
    ["finish", "finish"], ["busy", "busy"], ["waited", "waited"], ["why", "for what"], ["bytes", "bytes"],
  ];
  const SEARCHED = ["queue", "opcode", "call", "line", "size", "why"];
  const CODE = ["call", "line"];
  const BLANK = ["bytes", "busy", "waited"];

  const data = JSON.parse(document.getElementById("data").textContent);
  const at = Object.fromEntries(data.columns.map((name, i) => [name, i]));
  const words = new Set(data.words);
  const value = (row, name) => (words.has(name) ? data.texts[row[at[name]]] : row[at[name]]);
  const byId = (id) => document.getElementById(id);
  const [filter, queue, table] = [byId("filter"), byId("queue"), byId("table")];
  const lower = data.texts.map((text) => text.toLowerCase());

  let found = data.rows;
  let page = 0;
  let sort = { name: "issue", down: false };

  function select() {
    const parts = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    // a text is compared once, however many rows have it
    const hits = parts.map((part) => lower.map((text) => text.includes(part)));
    const places = SEARCHED.map((name) => at[name]);
    found = data.rows.filter(
      (row) => (!queue.value || value(row, "queue") === queue.value) && hits.every((hit) => places.some((i) => hit[row[i]])),
    );
    const sign = sort.down ? -1 : 1;
    const compare = words.has(sort.name)
      ? (a, b) => value(a, sort.name).localeCompare(value(b, sort.name))
      : (a, b) => (value(a, sort.name) ?? -1) - (value(b, sort.name) ?? -1);
    found.sort((a, b) => sign * compare(a, b));
    page = 0;
    show();
  }

  function cell(tag, text, name) {
    const element = document.createElement(tag);
    element.textContent = text;
    if (!words.has(name)) element.className = "n";
    if (tag === "td" && CODE.includes(name)) element.className = "code";
    return element;
  }

  function show() {
    const pages = Math.max(1, Math.ceil(found.length / PAGE));
    const body = document.createElement("tbody");
    for (const row of found.slice(page * PAGE, (page + 1) * PAGE)) {
      const line = body.insertRow();
      for (const [name] of SHOWN) {
        const shown = value(row, name);
        const nothing = shown === null || (shown === 0 && BLANK.includes(name));
        line.append(cell("td", nothing ? "" : shown.toLocaleString("en-US"), name));
      }
    }
    table.tBodies[0].replaceWith(body);
    byId("count").textContent = `${found.length.toLocaleString("en-US")} of ${data.rows.length.toLocaleString("en-US")} instructions`;
    byId("page").textContent = `page ${page + 1} of ${pages}`;
    byId("previous").disabled = page === 0;
    byId("next").disabled = page + 1 >= pages;
  }

  function head() {
    const row = document.createElement("tr");
    for (const [name, title] of SHOWN) {
      const element = cell("th", title, name);
      element.tabIndex = 0;
      element.scope = "col";
      if (sort.name === name) element.setAttribute("aria-sort", sort.down ? "descending" : "ascending");
      const press = () => {
        sort = { name, down: sort.name === name ? !sort.down : !words.has(name) && name !== "number" };
        head();
        select();
      };
      element.addEventListener("click", press);
      element.addEventListener("keydown", (event) => event.key === "Enter" && press());
      row.append(element);
    }
    table.tHead.replaceChildren(row);
  }

  filter.addEventListener("input", select);
  queue.addEventListener("change", select);
  byId("previous").addEventListener("click", () => { page -= 1; show(); });
  byId("next").addEventListener("click", () => { page += 1; show(); });
  head();
  select();
})();
