// What scripts say, in the page's language: say("… {n}", { n }), sayN(n, "one …", "{n} …"). Loaded before the others.
(() => {
  const texts = JSON.parse(document.getElementById("texts").textContent)
  const lang = document.documentElement.lang
  const many = { ko: () => 0, fr: (n) => Number(n > 1) }[lang]
  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole))
  window.say = (message, values = {}) => filled(texts[message] ?? message, values)
  window.sayN = (n, one, other, values = {}) => filled(many && texts[one] ? texts[one][many(n)] : n === 1 ? one : other, { n, ...values })
  document.querySelector(".places [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" })
  document.getElementById("language")?.addEventListener("change", (event) => {
    const secure = location.protocol === "https:" ? "; secure" : ""
    document.cookie = `powermon_language=${event.target.value}; path=/; max-age=31536000; samesite=lax${secure}`
    location.reload()
  })
})()
