// Puts what a meter's document says into the page: numbers, words, windows, gaps, colours. It decides nothing.
(() => {
  const powermon = window.powermon
  const $ = (id) => document.getElementById(id)
  const PLOTS = ["live", "day", "tariffs", "voltage", "covered"]
  const DAY = PLOTS.slice(1)
  const COLOURS = { gaps: "--gap", measured: "--coverage", apparent: "--phase-A", injected: "--phase-C", volt_1: "--phase-A", volt_2: "--phase-B", volt_3: "--phase-C" }
  let model, now, past

  const put = (element, text) => { if (element.textContent !== text) element.textContent = text }
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b)

  function give(source, data) { if (!same(data, source.data)) source.data = data }
  const spans = (source, gaps) => give(source, { x0: gaps.map((gap) => gap[0]), x1: gaps.map((gap) => gap[1]) })

  function contract(plot, name) {
    const line = plot.center.find((one) => one.name === name)
    const kva = now?.contract_kva
    line.setv({ location: kva ?? 0, visible: Boolean(kva) && kva <= plot.y_range.end })
  }

  function notes() {
    const wanted = [...(now?.notes ?? []).map((text) => ({ kind: "clock", text })), ...(past?.notes ?? [])]
    const box = $("notes")
    if (same([...box.children].map((one) => one.textContent), wanted.map((one) => one.text))) return
    box.replaceChildren(...wanted.map(({ kind, text }) => {
      const note = document.createElement("p")
      note.className = "banner"
      note.dataset.kind = kind
      note.textContent = text
      return note
    }))
  }

  function tempo(said) {
    $("tempo").hidden = !said
    for (const chip of document.querySelectorAll("[data-day]")) {
      const day = said?.[chip.dataset.day]
      if (!day) continue
      chip.dataset.colour = day.colour
      put(chip, day.text)
    }
  }

  function showNow() {
    const text = model.now.data.json[0]
    if (!text) return
    now = JSON.parse(text)
    model.live.x_range.setv({ start: now.window[0], end: now.window[1] })
    model.live.y_range.setv({ start: now.axis[0], end: now.axis[1] })
    contract(model.live, "contract")
    contract(model.day, "day_contract")
    spans(model.now_gaps, now.gaps)
    for (const [key, [number, unit]] of Object.entries(now.numbers)) {
      put(document.querySelector(`[data-number="${key}"]`), number)
      put(document.querySelector(`[data-unit="${key}"]`), unit)
    }
    put($("state"), now.sentence)
    $("state").dataset.state = now.state
    put($("moment"), now.state === "never" ? now.zone : `${now.clock} · ${now.zone}`)
    put($("zone"), say("Times: {zone}", { zone: now.zone }))
    put($("live-span"), now.span)
    $("over").hidden = !now.over_power
    $("bar").hidden = now.share === null
    $("bar").dataset.state = now.over_power || now.share > 100 ? "over" : now.share > 85 ? "near" : "fine"
    $("bar").firstElementChild.style.width = `${Math.min(100, now.share ?? 0)}%`
    put($("share"), now.share === null ? "" : `${now.share}\u202f% · `)
    $("injects").hidden = !now.injects
    put($("tariff"), now.tariff || "–")
    $("index").hidden = !now.index
    $("index").style.setProperty("--index", `var(--index-${now.index})`)
    tempo(now.tempo)
    const note = now.state === "never" ? say("No frame of this meter was received yet. It appears here with its first one.") : ""
    put($("live-note"), note)
    $("live-note").hidden = !note
    notes()
    document.body.dataset.live = now.state
  }

  function row(one) {
    const line = document.createElement("tr")
    const cell = (kind, name, text) => {
      const made = document.createElement(kind)
      made.className = name
      made.textContent = text
      line.append(made)
      return made
    }
    const head = cell("th", "", one.name)
    head.scope = "row"
    const swatch = document.createElement("i")
    swatch.className = "swatch"
    swatch.style.setProperty("--index", `var(--index-${one.index})`)
    head.prepend(swatch)
    cell("td", "n", one.energy)
    cell("td", "n share", `${one.share}\u202f%`)
    cell("td", "n reading", one.reading)
    return line
  }

  function showPast() {
    const text = model.past.data.json[0]
    if (!text) return
    const before = past
    past = JSON.parse(text)
    for (const name of DAY) model[name].x_range.setv({ start: past.window[0], end: past.window[1] })
    model.day.y_range.setv({ start: past.axes.day[0], end: past.axes.day[1] })
    model.voltage.y_range.setv({ start: past.axes.voltage[0], end: past.axes.voltage[1] })
    contract(model.day, "day_contract")
    spans(model.past_gaps, past.gaps)
    tariffs()
    if (!same(before?.ticks, past.ticks)) ticks()
    if (!same(before?.energy.rows, past.energy.rows)) $("rows").replaceChildren(...past.energy.rows.map(row))
    put($("total"), past.energy.total)
    $("injected-row").hidden = !past.energy.injected
    put($("injected"), past.energy.injected ?? "")
    put($("energy-note"), [past.energy.note, past.over].filter(Boolean).join(" · "))
    put($("measured"), past.measured)
    put($("voltage-span"), past.voltage || "–")
    $("voltage-part").hidden = !past.voltage
    put($("right"), past.quality.right[0])
    put($("link-span"), past.quality.span)
    $("link").dataset.state = past.quality.state
    for (const [key, count] of Object.entries(past.quality.counts)) put(document.querySelector(`[data-count="${key}"]`), count)
    const note = past.empty ? say("Nothing was received on this day.") : ""
    put($("day-note"), note)
    $("day-note").hidden = !note
    notes()
  }

  function tariffs() {
    const said = past?.tariffs ?? []
    give(model.tariff_spans, {
      x0: said.map((one) => one[0]),
      x1: said.map((one) => one[1]),
      colour: said.map((one) => colour(`--index-${one[2]}`)),
    })
  }

  function colours() {
    for (const name of PLOTS) {
      const plot = model[name]
      for (const axis of [...plot.below, ...plot.left]) axis.setv({ major_label_text_color: colour("--muted") })
      for (const renderer of plot.renderers) {
        const named = COLOURS[renderer.name]
        if (!named) continue
        if (["Line", "Step"].includes(renderer.glyph.type)) renderer.glyph.setv({ line_color: colour(named) })
        else renderer.glyph.setv({ fill_color: colour(named) })
      }
    }
    for (const [plot, name] of [["live", "contract"], ["day", "day_contract"]]) {
      model[plot].center.find((one) => one.name === name).setv({ line_color: colour("--warn") })
    }
    tariffs()
  }

  function ticks() {
    const width = document.querySelector("main").clientWidth
    model.live.below[0].ticker.setv({ desired_num_ticks: Math.max(3, Math.min(8, Math.floor(width / 110))) })
    if (!past) return
    const step = [1, 2, 3, 4, 6].find((hours) => (past.ticks.length / hours) * 62 < width) ?? 6
    const shown = past.ticks.filter((_, k) => k % step === 0 || k === past.ticks.length - 1)
    for (const name of DAY) {
      const axis = model[name].below[0]
      axis.ticker.setv({ ticks: shown.map((one) => one[0]) })
      axis.setv({ major_label_overrides: new Map(shown) })
    }
  }

  function start(drawn, found) {
    const named = (names, place) => Object.fromEntries(names.map((name) => [name, place.get_model_by_name(name)]))
    model = {
      ...named([...PLOTS, "drawn_frames", "drawn_minutes", "now_gaps", "past_gaps", "tariff_spans"], drawn),
      ...named(["frames", "day_minutes", "now", "past"], found),
    }
    powermon.model = model
    model.now.properties.data.change.connect(showNow)
    model.past.properties.data.change.connect(showPast)
    found.on_event("connection_lost", () => { powermon.lost = true })
    document.documentElement.addEventListener("themechange", colours)
    addEventListener("resize", ticks)
    colours()
    showNow()
    showPast()
    ticks()
    powermon.follow(model.drawn_frames, model.frames)
    powermon.follow(model.drawn_minutes, model.day_minutes)
    sessionStorage.removeItem("reloaded")
    document.body.dataset.ready = "true"
  }

  async function begin() {
    const [drawn, found] = await Promise.all([powermon.embed(), powermon.connected("now")])
    if (found) start(drawn, found)
    else powermon.lost = true
  }
  begin()
})()
