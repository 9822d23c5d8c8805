#!/bin/sh
# What a browser makes of the pages of embed map: how many points it shows, that pointer and keyboard reach them,
# that texts which look like markup stay texts, and that nothing is complained about or loaded from elsewhere.
# Without Chromium or Chrome (BROWSER names another) this part is skipped, and it says so. EMBED as in run.sh.

set -u
LC_ALL=C
export LC_ALL
unset TMPDIR

embed=${EMBED:-build/release/embed}
models=${MODELS:-tests/data/models}
passed=0
failed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

browser=${BROWSER:-}
for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
    [ -n "$browser" ] || browser=$(command -v $name)
done
if [ -z "$browser" ]; then
    echo "skipped: no Chromium or Chrome here to open the pages of embed map in"
    exit 0
fi

limit=
command -v timeout > /dev/null && limit='timeout 120'

verdict() # STATUS WHAT
{
    if [ "$1" -eq 0 ]; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAILED: $page: $2"
    fi
}

# What the page is put through; what comes of it are attributes of its body.
probe="<script>
window.addEventListener('error', e => document.body.dataset.error = e.message);
setTimeout(() => {
  const points = [...document.querySelectorAll('.p')], found = document.body.dataset;
  const first = points[0], second = points[1] || first;
  const svg = document.querySelector('svg'), tip = document.querySelector('#tip');
  const find = document.querySelector('#find'), aside = document.querySelector('aside');
  const at = e => { const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]; };
  const send = (e, event) => e.dispatchEvent(event);
  found.points = points.filter(p => p.parentNode.id === 'world').length;
  found.visible = points.filter(p => document.elementFromPoint(...at(p))?.closest('.p')).length;
  found.pictures = [...document.images].length + points.filter(p => p.querySelector('image')).length;
  send(second, new PointerEvent('pointerover', {bubbles: true}));
  found.hover = tip.hidden ? 'nothing' : tip.textContent;
  send(second, new PointerEvent('pointerout', {bubbles: true}));
  found.left = tip.hidden;
  first.focus();
  for (const key of ['ArrowLeft', 'ArrowRight', 'ArrowUp', 'ArrowDown'])
    send(svg, new KeyboardEvent('keydown', {key}));
  found.walked = document.activeElement.classList.contains('p') && !tip.hidden;
  const before = at(first);
  send(svg, new KeyboardEvent('keydown', {key: '+'}));
  found.zoomed = Math.hypot(at(first)[0] - before[0], at(first)[1] - before[1]) > 1;
  send(svg, new KeyboardEvent('keydown', {key: '0'}));
  find.value = 'KOLA';
  send(find, new Event('input'));
  found.found = document.querySelector('#found').textContent;
  find.value = '';
  send(find, new Event('input'));
  send(second, new MouseEvent('click', {bubbles: true}));
  found.near = aside.hidden ? 'nothing' : aside.querySelectorAll('li').length;
  found.labelled = points.every(p => document.getElementById(p.getAttribute('aria-labelledby')));
}, 500);
</script>"

visit() # NAME ARGUMENT...
{
    page=$1
    shift
    rm -f "$work/page.html"
    : > "$work/body"
    "$embed" map "$@" -o "$work/page.html" 2> "$work/err"
    verdict $? "embed map: $(cat "$work/err")"
    [ -f "$work/page.html" ] || return
    grep -q '://' "$work/page.html" && verdict 1 "names something elsewhere: $(grep -m 1 -o '.\{20\}://.\{20\}' "$work/page.html")"
    printf '%s\n' "$probe" >> "$work/page.html"
    $limit "$browser" --headless --no-sandbox --disable-gpu --enable-logging=stderr --window-size=1200,800 \
        --user-data-dir="$work/profile" --virtual-time-budget=5000 --dump-dom "file://$work/page.html" \
        > "$work/dom" 2> "$work/log"
    verdict $? "$browser does not open it: $(tail -n 1 "$work/log")"
    grep -o '<body[^>]*>' "$work/dom" > "$work/body"
    ! grep -q 'CONSOLE' "$work/log"
    verdict $? "$(grep -m 1 CONSOLE "$work/log")"
    is error ''
}

is() # ATTRIBUTE VALUE, '' for none
{
    value=$(grep -o " data-$1=\"[^\"]*\"" "$work/body" | head -n 1 | cut -d '"' -f 2)
    [ "$value" = "$2" ]
    verdict $? "$1: found \"$value\", expected \"$2\""
}

printf '%s\n' kola '</script><script>document.body.dataset.error = 1</script>' "' onfocus='document.body.dataset.error=1" \
    '<img src=x onerror="document.body.dataset.error = 1">' '&lt;b&gt;' 'mi kola' > "$work/texts"
visit "texts" -m "$models/bert" -f "$work/texts" --title '<b>"&'"'"
is points 6; is visible 6; is pictures 0; is left true; is walked true; is zoomed true; is found '2 found'; is near 5
is labelled true
is hover '&lt;/script&gt;&lt;script&gt;document.body.dataset.error = 1&lt;/script&gt;'
grep -q '<h1 dir="auto">&lt;b&gt;"&amp;' "$work/dom"; verdict $? "its heading"
visit "one text" -m "$models/bert" kola
is points 1; is visible 1
visit "the same text twice" -m "$models/bert" kola kola
is points 2; is hover kola; is near 1

if [ -d "$models/vit" ]; then
    mkdir "$work/images"
    for color in '255 0 0' '0 255 0' '0 0 255' '90 90 90'; do
        printf 'P3 2 2 255 %s %s %s 0 0 0\n' "$color" "$color" "$color" > "$work/images/$(echo "$color" | tr -d ' ').ppm"
    done
    visit "images" -m "$models/vit" "$work/images"
    is points 4; is visible 4; is pictures 4; is near 3; is walked true; is hover "$work/images/02550.ppm"
fi

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
