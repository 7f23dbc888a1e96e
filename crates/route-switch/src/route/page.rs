//! The table of `docs/routes.md`, made from the declarations.

use crate::route::KINDS;
use crate::route::reference::{ANYTHING, At, Form, Place, Purpose};

/// A row for each place in which a kind of route names something, and what becomes of it: in Markdown.
#[must_use]
pub fn table() -> String {
    let mut rows =
        vec!["| kind | names | in | for | after the switch |".to_owned(), "|---|---|---|---|---|".to_owned()];
    for kind in KINDS {
        for place in kind.places().iter().copied().flatten() {
            let at = match place.at {
                At::Field(path) => format!("`{path}`"),
                At::Annotation(name) => format!("annotation `{name}`"),
                At::AnyPrefix(name) => format!("annotation `.../{name}`"),
            };
            let target = if *place.target == ANYTHING { "anything else" } else { place.target.kind };
            let (purpose, fate) = (place.purpose.in_words(), fate(place));
            rows.push(format!("| {} | {target} | {at} | {purpose} | {fate} |", kind.resource().kind));
        }
    }
    rows.join("\n") + "\n"
}

fn fate(place: &Place) -> &'static str {
    if *place.target == ANYTHING {
        return "cannot be looked up: a note";
    }
    match (place.purpose, place.form) {
        (Purpose::Certifies, _) => "goes along",
        (Purpose::Serves, Form::Object(form)) if form.follows => {
            "that of the new namespace, which must have it; one of a third namespace stays, and needs a grant there for routes \
             of the Gateway API"
        }
        (Purpose::Serves, _) => "that of the new namespace, which must have it",
        (Purpose::Attaches, _) => {
            "that of the new namespace, which must have it; one that is named with a namespace stays"
        }
        (_, Form::Url) => "a host in the old namespace becomes one in the new namespace; one in a third stays: a note",
        (_, Form::Traefik) => "that of the new namespace, where both have it; a problem where only the old one has it",
        _ => "that of the new namespace; a problem where only the old one has it",
    }
}
