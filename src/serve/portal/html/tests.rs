//! Nothing that harms comes through the cleaner: every payload, pieces of them joined at random, and what would cost too much.

use super::*;
use crate::serve::portal::html::allowed::ATTRIBUTE_LISTS;
use crate::serve::portal::html::allowed::TAGS;
use crate::serve::portal::html::picture::is_picture;
use crate::serve::portal::tests::PAYLOADS;
use html5ever::Attribute;
use html5ever::ParseOpts;
use html5ever::QualName;
use html5ever::interface::ElementFlags;
use html5ever::interface::NodeOrText;
use html5ever::interface::QuirksMode;
use html5ever::interface::TreeSink;
use html5ever::parse_document;
use html5ever::tendril::StrTendril;
use html5ever::tendril::TendrilSink;
use html5ever::tree_builder::TreeBuilderOpts;
use proptest::prelude::*;
use std::cell::RefCell;
use std::rc::Rc;

/// Writes down every element that a parser makes; that there is no tree does not matter to it.
#[derive(Default)]
struct Elements(RefCell<Vec<Rc<Element>>>);

struct Element {
    name: QualName,
    attributes: RefCell<Vec<Attribute>>,
}

impl TreeSink for Elements {
    type Handle = Rc<Element>;
    type Output = Vec<Rc<Element>>;
    type ElemName<'a> = html5ever::ExpandedName<'a>;

    fn finish(self) -> Self::Output {
        self.0.into_inner()
    }
    fn parse_error(&self, _: Cow<'static, str>) {}
    fn get_document(&self) -> Rc<Element> {
        let name = QualName::new(None, html5ever::Namespace::default(), "#document".into());
        Rc::new(Element { name, attributes: RefCell::default() })
    }
    fn elem_name<'a>(&'a self, target: &'a Rc<Element>) -> Self::ElemName<'a> {
        target.name.expanded()
    }
    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _: ElementFlags) -> Rc<Element> {
        let element = Rc::new(Element { name, attributes: RefCell::new(attributes) });
        self.0.borrow_mut().push(element.clone());
        element
    }
    fn create_comment(&self, text: StrTendril) -> Rc<Element> {
        panic!("a comment: {text}")
    }
    fn create_pi(&self, target: StrTendril, _: StrTendril) -> Rc<Element> {
        panic!("an instruction: {target}")
    }
    fn append(&self, _: &Rc<Element>, _: NodeOrText<Rc<Element>>) {}
    fn append_based_on_parent_node(&self, _: &Rc<Element>, _: &Rc<Element>, _: NodeOrText<Rc<Element>>) {}
    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}
    fn get_template_contents(&self, target: &Rc<Element>) -> Rc<Element> {
        target.clone()
    }
    fn same_node(&self, one: &Rc<Element>, other: &Rc<Element>) -> bool {
        Rc::ptr_eq(one, other)
    }
    fn set_quirks_mode(&self, _: QuirksMode) {}
    fn append_before_sibling(&self, _: &Rc<Element>, _: NodeOrText<Rc<Element>>) {}
    fn add_attrs_if_missing(&self, target: &Rc<Element>, attributes: Vec<Attribute>) {
        target.attributes.borrow_mut().extend(attributes);
    }
    fn remove_from_parent(&self, _: &Rc<Element>) {}
    fn reparent_children(&self, _: &Rc<Element>, _: &Rc<Element>) {}
}

/// What a browser's parser makes of it, with scripts on and off: name and attributes of every element.
fn elements(html: &str) -> Vec<(String, Vec<(String, String)>)> {
    let mut all = Vec::new();
    for scripting_enabled in [true, false] {
        let tree_builder = TreeBuilderOpts { scripting_enabled, ..TreeBuilderOpts::default() };
        let parser = parse_document(Elements::default(), ParseOpts { tree_builder, ..ParseOpts::default() });
        for element in parser.one(format!("<!doctype html><body>{html}")) {
            assert_eq!(&*element.name.ns, "http://www.w3.org/1999/xhtml", "{:?} in {html}", element.name);
            let attributes = element.attributes.borrow();
            let attributes = attributes.iter().map(|one| (one.name.local.to_string(), one.value.to_string()));
            all.push((element.name.local.to_string(), attributes.collect()));
        }
    }
    all
}

fn assert_harmless(html: &str) {
    for (name, attributes) in elements(html) {
        let own = ["html", "head", "body", "details", "summary"].contains(&name.as_str());
        assert!(TAGS.contains(&name.as_str()) || own, "<{name}> in {html}");
        for (attribute, value) in attributes {
            let fits = match (name.as_str(), attribute.as_str()) {
                ("a", "href") => {
                    let lower = value.to_lowercase();
                    ["https://", "http://", "mailto:"].iter().any(|start| lower.starts_with(start))
                        && !value.split('/').nth(2).unwrap_or_default().contains('@')
                }
                ("a", "target") => value == "_blank",
                ("a", "rel") => value == "noopener noreferrer",
                ("bdi", "class") => value == "host" || value == "host other",
                ("blockquote", "class") => value == "gmail_quote",
                ("blockquote", "type") => value == "cite",
                ("div" | "details", "class") => value == "quote" || value == "plain-text",
                ("div", "dir") => ["auto", "ltr", "rtl"].contains(&value.as_str()),
                ("img", "src") => is_picture(&value),
                (_, "srcset" | "background") => false,
                (_, "style") => ["url", "position", "(-", "-moz", ": -", "@", "\\", "/*"]
                    .iter()
                    .all(|bad| !value.contains(bad)),
                (_, "align" | "dir" | "lang" | "title" | "alt") => true,
                (tag, name) => {
                    ATTRIBUTE_LISTS.iter().any(|(known, names)| *known == tag && names.contains(&name))
                }
            };
            assert!(fits, "{attribute}={value} in {html}");
        }
    }
}

fn words() -> Words {
    Words { leads_to: "leads to".into(), quoted: Some("Quoted text".into()) }
}

/// With all of these pictures put in.
fn clean(html: &str, pictures: &Pictures) -> Option<Cleaned> {
    let mut cleaned = Cleaner::new(pictures.keys().cloned().collect()).clean(html)?;
    put_in([&mut cleaned].into_iter(), pictures);
    Some(cleaned)
}

fn cleaned(html: &str) -> Cleaned {
    clean(html, &Pictures::new()).unwrap()
}

fn shown(html: &str) -> String {
    cleaned(html).shown(&Words { leads_to: "leads to".into(), quoted: None })
}

fn assert_clean(html: &str) {
    let Some(once) = clean(html, &Pictures::new()) else { return };
    assert_harmless(&once.html);
    assert_harmless(&once.shown(&words()));
    let twice = cleaned(&once.html);
    assert_eq!(
        markup::ordered(&twice.html),
        markup::ordered(&once.html),
        "cleaning again changes nothing: {html}"
    );
}

#[test]
fn no_payload_survives() {
    assert!(PAYLOADS.lines().count() >= 500);
    for payload in PAYLOADS.lines() {
        for html in [payload.to_owned(), format!("<p>{payload}</p>"), format!("<table><tr>{payload}")] {
            assert_clean(&html);
        }
    }
    assert_clean(&PAYLOADS.replace("<plaintext>", ""));
}

#[test]
fn ordinary_mail_keeps_its_looks() {
    let html = "<p style=\"color: #123456; position: fixed\">Dear <b>Ms</b> Roth,</p><ul><li>one</ul>\
                <table border=1 bgcolor=\"#eee\"><tr><td colspan=2 style=\"background:#fff;margin:-9px\">x</table>";
    assert_eq!(
        shown(html),
        "<p style=\"color: #123456\">Dear <b>Ms</b> Roth,</p><ul><li>one</li></ul>\
         <table border=\"1\" bgcolor=\"#eee\"><tbody><tr><td colspan=\"2\" style=\"background: #fff\">x</td></tr>\
         </tbody></table>"
    );
    for (html, want) in [
        (
            "<div style=\"max-height:0;DISPLAY : none !important;color:#fff\">PREHEADER</div>x",
            "<div style=\"display: none; color: #fff\">PREHEADER</div>x",
        ),
        ("<p style=\"display:none;display:block\">a</p>", "<p>a</p>"),
        ("<p style=\"display:none/**/\">a</p><p style=\"display:flex\">b</p>", "<p>a</p><p>b</p>"),
        (
            "<p style=\"background:#000 url(https://t.example/x.png) no-repeat; color:#fff\">a</p>",
            "<p style=\"background-color: #000; color: #fff\">a</p>",
        ),
        (
            "<p style=\"background: url('//t.example/x') left top / cover, rgba(0, 0, 0, .5); color:#fff\">a</p>",
            "<p style=\"background-color: rgba(0, 0, 0, .5); color: #fff\">a</p>",
        ),
        (
            "<p style=\"background:navy URL(data:image/png;base64,iVBORw0KGgo=) scroll\">a</p>",
            "<p style=\"background-color: navy\">a</p>",
        ),
        ("<p style=\"background:url(x) center no-repeat\">a</p>", "<p>a</p>"),
        (
            "<p style=\"background:linear-gradient(to right, #123 0%, #456)\">a</p>",
            "<p style=\"background-color: #123\">a</p>",
        ),
        // A message of which nothing would be seen.
        ("<p style=\"display:none\">all</p> <br>", "<p>all</p> <br>"),
        ("<p style=\"display:none\">all</p><img src=\"https://t.example/pixel\">", "<p>all</p><img>"),
    ] {
        assert_eq!(shown(html), want, "{html}");
    }
}

/// Links, and the hint behind them.
const LINKS: &[(&str, Option<&str>)] = &[
    ("<a href=\"https://a.example/x\">https://a.example/x</a>", None),
    ("<a href=\"https://a.example/\">a.example</a>", None),
    ("<a href=\"https://www.a.example/\">a.example</a>", None),
    ("<a href=\"https://a.example/\">here</a>", Some("[a.example]")),
    ("<a href=\"https://a.example/\">a.exa<b>mple</b></a>", None),
    ("<a href=\"https://a.example/\">https://a.example.bank.example</a>", Some("[leads to a.example]")),
    (
        "<a href=\"https://bank.example@evil.example/\">https://bank.example</a>",
        Some("[leads to evil.example]"),
    ),
    ("<a href=\"https://evil.example/\">ba<i>nk.exa</i>mple</a>", Some("[leads to evil.example]")),
    ("<a href=\"https://evil.example/\">bank&#8203;.example</a>", Some("[leads to evil.example]")),
    ("<a href=\"https://evil.example/\"><img alt=\"www.bank.example\"></a>", Some("[leads to evil.example]")),
    ("<a href=\"https://b\u{e4}nk.example/\">b\u{e4}nk.example</a>", Some("[leads to xn--bnk-qla.example]")),
    ("<a href=\"mailto:a@b.example\">a</a>", None),
    ("<a href=\"mailto:a@b.example\">Write to a@b.example</a>", None),
    ("<a href=\"mailto:thief@evil.example\">help@bank.example</a>", Some("[leads to thief@evil.example]")),
    (
        "<a href=https://evil.example/x><span style=\"font-size:0\">evil.example/</span>https://bank.example/login</a>",
        Some("[leads to evil.example]"),
    ),
    (
        "<a href=https://evil.example/x><b style=\"color:#fff;font-size:1px\">evil.example/</b>bank.example/login</a>",
        Some("[leads to evil.example]"),
    ),
    (
        "<a href=https://evil.example/x>bank<i style=\"display:none\"> </i>.example</a>",
        Some("[leads to evil.example]"),
    ),
    (
        "<a href=https://evil.example/x><i style=\"display:none\">evil.example/</i>https://bank.example/</a>",
        Some("[leads to evil.example]"),
    ),
    (
        "<a href=https://evil.example/x><img alt=\"evil.example\" src=\"data:image/gif;base64,R0lGODlhAQAB\"></a>",
        Some("[leads to evil.example]"),
    ),
    (
        "<a href=https://evil.example/x>evil.example/<br>https://bank.example/login</a>",
        Some("[leads to evil.example]"),
    ),
    (
        "<a href=https://evil.example/x>evil.example/ https://bank.example/login</a>",
        Some("[leads to evil.example]"),
    ),
    (
        "<a href=https://evil.example/x>evil.example/\u{3164}https://bank.example/login</a>",
        Some("[leads to evil.example]"),
    ),
    (
        "<a href=https://evil.example/x>bank<font size=1 color=white> x </font>.example</a>",
        Some("[leads to evil.example]"),
    ),
    (
        "<a href=https://evil.example/x><ul><li style=\"list-style-type:'bank.example '\">evil.example</ul></a>",
        Some("[leads to evil.example]"),
    ),
    (
        "<a href=https://evil.example/x>bank.example<table><tr><td><a href=https://b.example/>b.example</a></table></a>",
        Some("[leads to evil.example]"),
    ),
    (
        "<a href=mailto:thief@evil.example><span style=\"font-size:0\">thief@evil.example</span>help@bank.example</a>",
        Some("[leads to thief@evil.example]"),
    ),
    ("<a href=https://a.example/x>\n<span style=\"color:blue\">https://a.example/x</span><br></a>", None),
    ("<a href=https://a.example/><span>See this.</span> <b>Read more</b></a>", Some("[a.example]")),
    ("<a href=mailto:a@b.example>Write\nto <b>a@b.example</b>.</a>", None),
    ("<a target=x href=\"https://a.example/?a=1&amp;b=%22\"><img alt=\"<a href=\"></a>", Some("[a.example]")),
];

#[test]
fn links_say_where_they_lead() {
    for &(html, want) in LINKS {
        let html = shown(html);
        let found = html.split_once("<bdi class=\"host").map(|(_, rest)| rest.split_once('>').unwrap().1);
        assert_eq!(want, found.map(|rest| rest.split('<').next().unwrap()), "{html}");
        assert!(!html.contains("display: none"), "nothing is hidden in a link: {html}");
    }
}

#[test]
fn letters_run_the_way_they_do() {
    let link = "<a href=https://evil.example/moc.knab//:sptth>https://evil.example/moc.knab//:sptth</a>";
    for html in [
        format!("<bdo dir=rtl>{link}</bdo>"),
        format!("<p>&#x202e;{link}"),
        format!("<p>\u{202e}{link}"),
        link.replace("tth<", "tth\u{202e}<"),
    ] {
        let html = shown(&html);
        assert!(!html.contains("<bdo") && !html.contains('\u{202e}') && html.contains("sptth</a>"), "{html}");
    }
}

#[test]
fn pictures() {
    let pictures = Pictures::from([("a b@x".to_owned(), "data:image/png;base64,iVBORw0KGgo=".to_owned())]);
    let html = "<img src=\"cid:a%20b@x\"><img src=\"cid:other\"><img src=\"https://t.example/1\">\
                <img src=\"http://t.example/2\"><img src=\"data:image/gif;base64,R0lGODlhAQAB\">\
                <img srcset=\"//t.example/3 1x\"><table background=\"http://u.example/\"><tr><td style=\"background:url(http://t.example/4)\">\
                </table>";
    let cleaned = clean(html, &pictures).unwrap();
    assert_eq!(cleaned.html.matches("data:image/png;base64,iVBORw0KGgo=").count(), 1);
    assert_eq!(cleaned.html.matches("data:image/gif").count(), 1);
    assert_eq!(cleaned.blocked.get("t.example"), Some(&4));
    assert_eq!(cleaned.blocked.get("u.example"), Some(&1));
}

#[test]
fn one_picture_a_thousand_times_is_bounded() {
    let large = format!("data:image/png;base64,{}", "A".repeat(1 << 20));
    let html = "<img src=cid:a>".repeat(1_000);
    let cleaned = clean(&html, &Pictures::from([("a".to_owned(), large)])).unwrap();
    assert!(cleaned.html.len() < 15 << 20, "{}", cleaned.html.len());
}

#[test]
fn pictures_in_several_parts_share_their_room() {
    let pictures =
        Pictures::from([("a".to_owned(), format!("data:image/png;base64,{}", "A".repeat(6 << 20)))]);
    let mut cleaner = Cleaner::new(pictures.keys().cloned().collect());
    let mut parts: Vec<_> = (0..8).map(|_| cleaner.clean("<img src=cid:a>").unwrap()).collect();
    put_in(parts.iter_mut(), &pictures);
    let shown: Vec<_> = parts.iter().map(|part| part.html.contains("src=")).collect();
    assert_eq!(shown.iter().filter(|shown| **shown).count(), 2, "{shown:?}");
}

#[test]
fn what_one_message_may_cost_is_shared_by_its_parts() {
    let mut cleaner = Cleaner::new(BTreeSet::new());
    let half = "x".repeat(SIZE / 2);
    assert!(cleaner.clean(&half).is_some() && cleaner.clean(&half[1..]).is_some());
    assert!(cleaner.clean("xx").is_none(), "too large together");
    assert!(cleaner.clean("x").is_some(), "what still fits is shown");
}

#[test]
fn what_would_cost_too_much_is_not_parsed() {
    let many: String = (0..100_000).map(|n| format!(" a{n}=1")).collect();
    let tangle: String = (0..200).map(|n| format!("<b id={n}>")).collect();
    for html in [
        "x".repeat(SIZE + 1),
        "<div>".repeat(300),
        "<b><i>".repeat(200),
        format!("<p{many}>"),
        format!("{tangle}{}", "<p>".repeat(100_000)),
        format!("<style></style>{}", "<span>".repeat(300)),
        format!("<!-->{}", "<span>".repeat(300)),
        format!("<!--->{}", "<span>".repeat(300)),
        format!("<!-- --!>{}", "<span>".repeat(300)),
        (0..2_000).map(|n| format!("<b id={n}><select></b></select><p>")).collect(),
        (0..2_000).map(|n| format!("<b id={n}><template></b></template><p>")).collect(),
        (0..2_000).map(|n| format!("<b id={n}><table><td></b></table><p>")).collect(),
        (0..2_000).map(|n| format!("<b id={n}><object></b></object><p>")).collect(),
        (0..2_000).map(|n| format!("<b id={n}><svg></b></svg><p>")).collect(),
        (0..2_000).map(|n| format!("<b id={n}><? </b><p>")).collect(),
        (0..2_000).map(|n| format!("<b id={n}><!x '</b>'><p>")).collect(),
        (0..2_000).map(|n| format!("<b id={n}></ x '</b>'><p>")).collect(),
    ] {
        assert!(clean(&html, &Pictures::new()).is_none(), "{:.40}", html);
    }
    let comments = ["<!---->", "<!-- - --!>", "<!--", "<!-- -- ", "<!-----"].map(|text| text.repeat(80_000));
    let fine = ["<p>".repeat(10_000), "<br/>".repeat(50_000), "<tr><td>".repeat(5_000)];
    for html in fine.into_iter().chain(comments) {
        assert!(clean(&html, &Pictures::new()).is_some(), "{:.40}", html);
    }
}

/// What fools the count ends at the limit of time: this comes back at all.
#[test]
fn what_was_not_foreseen_ends_in_time() {
    let bomb = format!("<svg><style>{}", "<g><p></g>".repeat(60_000));
    let select = "<b id=x><select></b></select><p>".repeat(30_000);
    for html in [bomb, select] {
        if let Some(cleaned) = clean(&html, &Pictures::new()) {
            assert!(cleaned.html.len() < 64 * html.len());
        }
    }
}

#[test]
fn only_marked_quotations_are_folded() {
    for (mark, folds) in [
        ("type=CITE", true),
        ("class=\"x gmail_quote\"", true),
        ("class=yahoo_quoted", true),
        ("class=protonmail_quote", true),
        ("class=quote", false),
        ("type=circle", false),
        ("style=\"margin:0 0 0 40px;border:none\"", false),
        ("", false),
    ] {
        let html = cleaned(&format!("<div>Hi,</div><blockquote {mark}>terms</blockquote>")).shown(&words());
        assert_eq!(html.contains("<details"), folds, "{html}");
    }
}

#[test]
fn ever_so_many_quotations_are_looked_at_once() {
    let words = Words { quoted: Some("Q".into()), ..Words::default() };
    let many = 20_000;
    let shown = |html: &str| clean(html, &Pictures::new()).unwrap().shown(&words);
    let folds = shown(&format!("a{}", "<blockquote type=cite>x</blockquote>".repeat(many)));
    assert_eq!(folds.matches("<details").count(), 1, "only the last has nothing behind it");
    let folds = shown(&format!("a{}", "<blockquote type=cite></blockquote>".repeat(many)));
    assert_eq!(folds.matches("<details").count(), many);
}

/// Pieces of payloads, cut where a parser changes its mind.
fn pieces() -> Vec<&'static str> {
    let mut pieces: Vec<_> =
        PAYLOADS.lines().flat_map(|line| line.split_inclusive(['>', ' ', '"', '='])).collect();
    pieces.extend([
        "<",
        "</",
        "<!--",
        "-->",
        "\"",
        "'",
        "`",
        "=",
        "/>",
        "&lt;",
        "\0",
        "\u{c}",
        "]]>",
        "<![CDATA[",
    ]);
    pieces.sort_unstable();
    pieces.dedup();
    pieces
}

proptest! {
    #[test]
    fn anything_becomes_harmless(html in "(<[/!]?|[a-z]{1,6}|[ =\"'/>]|on[a-z]+=|href=|src=|style=|\\PC){0,60}") {
        assert_clean(&html);
    }

    #[test]
    fn payloads_in_pieces_become_harmless(joined in proptest::collection::vec(proptest::sample::select(pieces()), 0..40)) {
        assert_clean(&joined.concat());
    }

    #[test]
    fn one_part_closes_nothing_of_another(
        parts in proptest::collection::vec(proptest::collection::vec(proptest::sample::select(pieces()), 0..20), 2..4),
    ) {
        let mut cleaner = Cleaner::new(BTreeSet::new());
        let parts: Option<Vec<String>> =
            parts.iter().map(|part| cleaner.clean(&part.concat()).map(|cleaned| cleaned.html)).collect();
        if let Some(parts) = parts {
            let joined = parts.join("<hr>");
            prop_assert_eq!(markup::ordered(&cleaned(&joined).html), markup::ordered(&joined));
        }
    }

    #[test]
    fn texts_become_harmless(joined in proptest::collection::vec(proptest::sample::select(pieces()), 0..20)) {
        assert_harmless(&text(&joined.join("\n> "), &words()));
    }
}
