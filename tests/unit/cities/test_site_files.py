"""site.yaml, the design tokens and the background of the map: read, refused with all faults, and written."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from cities import default_city
from cities.extension import with_sensor
from cities.folder_reader import read_city
from cities.folder_writer import write_city
from cities.site import alkmaar_background
from cities.site.background import (
    BACKGROUND_BYTES_MAX,
    FAULTS_MAX,
    FEATURES_MAX,
    background_faults,
)
from cities.site.design_tokens import THEME_BYTES_MAX, TOKENS_MAX, VALUE_CHARACTERS_MAX, theme_faults
from tests.support.cities.city_folders import SITE, THEME, faults_of, write_city_folder
from twin.model.bilingual_text import BilingualText
from twin.model.site import BACKGROUND_FILE, NO_SITE, ORIGINS_MAX, THEME_FILE, Site, SiteText

ITEM = {
    "id": "air-9",
    "feed": "native",
    "entity": "delta.quay",
    "interval": "PT10M",
    "observes": [{"property": "no2", "field": "no2", "unit": "ug/m3"}],
}


def feature(**changes: Any) -> dict[str, Any]:
    """Return a feature of a background."""
    line = {"type": "LineString", "coordinates": [[4.7, 52.6], [4.8, 52.7]]}
    return {"type": "Feature", "geometry": line, "properties": {"kind": "canal", "name": "Singel"}, **changes}


def background(*features: object) -> bytes:
    """Return a background."""
    return json.dumps({"type": "FeatureCollection", "features": features}).encode()


def site_folder(folder: Path, site: str = SITE) -> Path:
    """Write the small city with its site."""
    write_city_folder(folder)
    (folder / "site.yaml").write_text(site, encoding="utf-8")
    (folder / THEME_FILE).write_bytes(THEME)
    (folder / BACKGROUND_FILE).write_bytes(background(feature()))
    return folder


def test_a_site_is_read(tmp_path: Path) -> None:
    plan = read_city(site_folder(tmp_path / "in"))
    assert plan.city.site == Site(
        languages=("en", "nl"),
        organisation=BilingualText("Delta", "Delta"),
        privacy=SiteText(url=BilingualText("https://delta.example/privacy", "https://delta.example/avg")),
        contact=SiteText(text=BilingualText("# Contact\n\nCall us.", "# Contact\n\nBel ons.")),
        processing_register="https://delta.example/register",
        embedding_origins=("https://delta.example", "https://*.delta.example:8443"),
    )
    assert plan.city.files == {name: sha256(content).hexdigest() for name, content in plan.files.items()}
    assert plan.files == {THEME_FILE: THEME, BACKGROUND_FILE: background(feature())}


def test_a_city_without_a_site_has_the_defaults(tmp_path: Path) -> None:
    city = read_city(write_city_folder(tmp_path / "in")).city
    assert (city.site, city.files) == (NO_SITE, {})
    assert city.site.languages == ("nl", "en")


def test_a_site_reads_back_as_it_was_and_goes_with_its_files(tmp_path: Path) -> None:
    plan = read_city(site_folder(tmp_path / "in"))
    write_city(plan.model(1), tmp_path / "out", plan.files)
    again = read_city(tmp_path / "out")
    assert (again.city, again.files) == (plan.city, plan.files)
    write_city(replace(plan.model(2), city=replace(plan.city, site=NO_SITE, files={})), tmp_path / "out")
    assert not {"site.yaml", THEME_FILE, BACKGROUND_FILE} & {one.name for one in (tmp_path / "out").iterdir()}


def test_a_sensor_that_is_added_leaves_the_site_as_it_is(tmp_path: Path) -> None:
    model = read_city(site_folder(tmp_path / "in")).model(1)
    assert with_sensor(model, ITEM).city == model.city


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("[en, nl]", "[en, fr]", "languages[1]: found 'fr', expected one of 'nl' or 'en'"),
        ("[en, nl]", "[en, en]", "languages: found one twice"),
        ("https://delta.example/privacy", "http://delta.example/privacy", "privacy.url.en: found 'http"),
        ("https://delta.example/privacy", "javascript:alert(1)", "expected an address such as https://www"),
        ("https://delta.example/privacy", "https://a@delta.example", "expected an address such as https://"),
        ("{url: {", "{uri: {", "privacy.uri: unknown key (did you mean url?)"),
        ('nl: "https://delta.example/avg"', 'nl: ""', "privacy.url.nl: found '', expected an address"),
        ("[https://delta.example,", "[https://delta.example/page,", "expected an origin such as"),
        ("[https://delta.example,", '["https://delta.example; script-src *",', "expected an origin such as"),
        ("[https://delta.example,", '["*",', "embeddingOrigins[0]: found '*', expected an origin"),
        ("[https://delta.example,", "[http://delta.example,", "expected an origin such as"),
        ("processingRegister", "processingRegistry", "unknown key (did you mean processingRegister?)"),
    ],
)
def test_each_fault_of_a_site_is_named(tmp_path: Path, old: str, new: str, text: str) -> None:
    assert old in SITE
    found = [str(each) for each in faults_of(site_folder(tmp_path / "in", SITE.replace(old, new, 1)))]
    assert len([each for each in found if text in each]) == 1, found


def test_a_site_has_few_origins_and_bounded_texts(tmp_path: Path) -> None:
    origins = ", ".join(f"https://a{number}.example" for number in range(ORIGINS_MAX + 1))
    many = SITE.replace('https://delta.example, "https://*.delta.example:8443"', origins)
    long = SITE.replace("Call us.", "x" * 20_001)
    for number, site in enumerate((many, long)):
        assert len(faults_of(site_folder(tmp_path / f"in{number}", site))) == 1


@pytest.mark.parametrize(
    ("css", "line", "text"),
    [
        (":root{--a: url(x)}", 1, "found the function url"),
        (":root {\n  --a: 1px;\n  color: red;\n}", 3, "found 'color', expected a custom property"),
        (":root{--A: 1}", 1, "found '--A', expected a custom property"),
        ("body{--a: 1}", 1, "found 'body', expected :root"),
        ('@import "x";', 1, "expected a block of :root"),
        ("@media print { :root{--a: 1} }", 1, "found '@media print'"),
        (":root{--a: expression(1)}", 1, "found the function expression"),
        (":root{--a: 1", 1, "found a block without its }"),
        (":root{--a: 1}}", 1, "found '}'"),
        (":root{.x{--a: 1}}", 1, "expected a custom property"),
        (":root{--a: \\75rl(x)}", 1, "an escape"),
        (":root{--a: 'x\n'}", 1, "found ' without its end"),
        (":root{--a: </style>}", 1, "found '</style>'"),
        # What one reader takes for a text or a comment is a rule for another.
        (':root{--a: "/*"; } body { background: url(x) } /*"*/";}', 1, 'found " without its end'),
        (':root{--a: " /*\n; } body { background: url(x) } /* */ ";}', 1, 'found " without its end'),
        (":root{--a: 1} /* x", 1, "found /* without its end"),
        (f":root{{--a: {'1' * (VALUE_CHARACTERS_MAX + 1)}}}", 1, "expected 1 to 300"),
        (f":root{{{'--a: 1;' * (TOKENS_MAX + 1)}}}", 1, "expected at most 2000"),
        (" " * (THEME_BYTES_MAX + 1), 1, "expected at most 65536"),
    ],
)
def test_a_theme_is_custom_properties_with_harmless_values(css: str, line: int, text: str) -> None:
    found = list(theme_faults(css.encode()))
    assert [number for number, message in found if text in message] == [line], found


def test_a_theme_may_have_colours_fonts_and_both_schemes() -> None:
    css = b"""/* "it's" { } url(x) */
    :root { --a: rgb(1 2 3 / 50%); --b: "Open Sans", sans-serif; --c: calc(1rem * 2); --d: var(--a, #fff) }
    @media (prefers-color-scheme: dark) { :root { --a: oklch(60% 0.1 20); } }
    @media (prefers-contrast: more) { :root { --a: #000; } }
    """
    assert list(theme_faults(css)) == []


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"{", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"[" * 100, "levels deep"),
        (b'{"type": "FeatureCollection", "features": [NaN]}', "found NaN"),
        (b"[]", "expected a GeoJSON FeatureCollection"),
        (background({}), "features[0]: found a mapping, expected a Feature"),
        (background(feature(), feature(properties={"kind": "moat"})), "features[1]: properties.kind: found"),
        (background(feature(properties={"kind": "canal", "href": "x"})), "properties: unknown key"),
        (background(feature(properties={"kind": "road", "class": "x"})), "properties.class: found 'x'"),
        (background(feature(properties={"kind": "road", "name": "a\nb"})), "properties.name: found"),
        (background(feature(geometry=None)), "geometry: found nothing"),
        (background(feature(geometry={"type": "Point", "coordinates": [400.0, 1.0]})), "expected longitude"),
        (background(*[1] * (FEATURES_MAX + 1)), "expected at most 20000"),
        (b" " * (BACKGROUND_BYTES_MAX + 1), "expected at most 1048576"),
        (background(*[1] * (FAULTS_MAX + 1)), "further faults are left out"),
    ],
)
def test_each_fault_of_a_background_is_named(content: bytes, text: str) -> None:
    found = list(background_faults(content, None))
    assert [each for each in found if text in each], found
    assert len(found) <= FAULTS_MAX + 1


def test_faults_of_the_files_are_faults_of_the_folder(tmp_path: Path) -> None:
    folder = site_folder(tmp_path / "in")
    (folder / THEME_FILE).write_text(":root {\n  color: red\n}")
    (folder / BACKGROUND_FILE).write_bytes(b"[]")
    assert [(Path(one.file).name, one.line) for one in faults_of(folder)] == [
        (BACKGROUND_FILE, 1),
        (THEME_FILE, 2),
    ]


def test_the_background_of_alkmaar_is_what_its_program_draws() -> None:
    text = alkmaar_background.text_of(alkmaar_background.drawing())
    assert (default_city() / BACKGROUND_FILE).read_text(encoding="utf-8") == text
    assert len(text.encode()) < 200_000
