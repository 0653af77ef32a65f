// Forms and buttons that ask the REST API: data-api is the method, data-path the address. What it refuses stands at its field.
// data-new names the field that ends the address of what is made; data-next is where to go from there.
(() => {
  const $ = (id) => document.getElementById(id)
  const csrf = document.querySelector("form.who input[name=csrf]").value
  const first = new Map()

  function read(field) {
    if (field.dataset.kind === "flag") return field.checked
    if (field.dataset.kind === "some") return [...field.form.querySelectorAll(`[name="${field.name}"]:checked`)].map((one) => one.value)
    const text = field.value.trim()
    if (field.dataset.kind === "words") return text.split(/[\s,]+/).filter(Boolean)
    if (field.dataset.kind === "lines") return text.split("\n").map((line) => line.trim()).filter(Boolean)
    if (field.dataset.kind === "number") return text === "" || Number.isNaN(Number(text.replace(",", "."))) ? text : Number(text.replace(",", "."))
    if (field.dataset.kind !== "limits") return text
    const lines = text.split("\n").map((line) => line.trim()).filter(Boolean)
    return Object.fromEntries(lines.map((line) => {
      const [name, value] = line.split("=").map((part) => part.trim())
      return [name, value === undefined || value === "" || Number.isNaN(Number(value)) ? value ?? "" : Number(value)]
    }))
  }

  function values(form) {
    const found = {}
    for (const field of form.elements) {
      if (!field.name) continue
      const now = read(field)
      const before = first.get(field)
      if (form.dataset.whole !== undefined ? true : form.dataset.api === "POST" || form.dataset.new ? now !== "" : JSON.stringify(now) !== JSON.stringify(before)) found[field.name] = now
      if (field.dataset.kind === "limits" && found[field.name]) {
        for (const name of Object.keys(before)) if (!(name in now)) found[field.name][name] = null
      }
    }
    // A field that goes with others goes when one of them does.
    for (const field of form.querySelectorAll("[data-with]")) {
      delete found[field.name]
      if (field.value && field.dataset.with.split(" ").some((name) => name in found)) found[field.name] = field.value
    }
    return found
  }

  function tell(text, bad = false) {
    $("said").textContent = text
    $("said").hidden = !text
    $("said").className = bad ? "trouble" : "note"
  }

  function complain(form, problem) {
    const named = form?.elements[problem.field]
    const field = named instanceof RadioNodeList ? named[0] : named
    tell(problem.detail, true)
    if (!field) return
    for (let box = field.closest("details"); box; box = box.parentElement.closest("details")) box.open = true
    field.setAttribute("aria-invalid", "true")
    const place = $(`e-${problem.field}`)
    if (place) { place.textContent = problem.detail; tell("") }
    field.focus()
  }

  function once(title, text, where) {
    const box = $("once")
    box.querySelector("h2").textContent = title
    box.querySelector("code").textContent = text
    box.hidden = false
    if (where) { $("next").href = where; $("next").hidden = false }
    box.scrollIntoView({ block: "nearest" })
  }

  async function ask(element, body) {
    const headers = { "X-Powermon-Form": csrf, Accept: "application/json" }
    if (body) headers["Content-Type"] = "application/json"
    const form = element instanceof HTMLFormElement ? element : null
    for (const place of document.querySelectorAll(".field-error")) place.textContent = ""
    for (const field of document.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid")
    tell("")
    let path = element.dataset.path
    if (element.dataset.new) {
      const name = body[element.dataset.new]
      if (!name) return complain(form, { field: element.dataset.new, detail: say("A name is needed here.") })
      path += `/${encodeURIComponent(name)}`
      delete body[element.dataset.new]
      headers["If-None-Match"] = "*"
    }
    let answer
    let said
    try {
      answer = await fetch(path, { method: element.dataset.api, headers, body: body && JSON.stringify(body), signal: AbortSignal.timeout(60000) })
      said = answer.status === 204 ? {} : await answer.json()
    } catch {
      return tell(say("No answer came. Look whether it was done before you try again."), true)
    }
    if (!answer.ok) return complain(form, said)
    if ("sent" in said) return tell(said.sent ? say("The message was taken.") : say("The message was not taken: {reason}", { reason: said.reason }), !said.sent)
    const secret = said.token ?? said.secret
    if (secret && form) {
      once(form.dataset.once ?? say("Registered. Its secret:"), secret, `${form.dataset.next ?? "/sensors/"}${encodeURIComponent(said.receiver_id ?? said.sensor_id)}`)
      form.firstElementChild.disabled = true
      return undefined
    }
    if (secret) {
      once(element.dataset.once, secret)
      return undefined
    }
    if (element.dataset.next) return location.assign(form ? `${element.dataset.next}${encodeURIComponent(said.receiver_id)}` : element.dataset.next)
    if (form) {
      for (const field of form.elements) if (field.name) first.set(field, read(field))
      warn(form)
    }
    if (element.dataset.stay !== undefined || form) {
      window.powermon?.again?.()
      return tell(say("Saved."))
    }
    return location.reload()
  }

  function sure(question) {
    const dialog = $("question")
    $("question-text").textContent = question
    dialog.returnValue = ""
    dialog.showModal()
    return new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }))
  }

  // What a field left open means stands beside it, once one that it goes with is another.
  function warn(form) {
    for (const field of form.querySelectorAll("[data-open]")) {
      const others = field.dataset.with.split(" ").map((name) => form.elements[name])
      $(field.dataset.open).hidden = Boolean(field.value) || others.every((one) => read(one) === first.get(one))
    }
  }

  for (const form of document.querySelectorAll("form[data-api]")) {
    for (const field of form.elements) if (field.name) first.set(field, read(field))
    form.addEventListener("input", () => warn(form))
    form.addEventListener("submit", (event) => {
      event.preventDefault()
      const body = values(form)
      if (Object.keys(body).length) ask(form, body)
      else tell(say("Nothing was changed."))
    })
  }
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("button[data-api]")
    if (!button) return
    if (button.dataset.question && !(await sure(button.dataset.question))) return
    button.disabled = true
    await ask(button)
    button.disabled = false
  })
  $("copy")?.addEventListener("click", async () => {
    await navigator.clipboard.writeText($("once").querySelector("code").textContent)
    $("copy").textContent = say("Copied")
  })
  document.body.dataset.ready = "true"
})()
