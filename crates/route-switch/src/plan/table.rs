//! A plan as a table that a person can read.

use crate::journal::{Book, RouteEntry};
use crate::side::Sides;
use lagoon_task::output::escape;

/// Below a table with a gap.
const WHAT_A_GAP_IS: &str =
    "gap: this cluster takes a host only once, so the route's hosts do not answer for some milliseconds\n";

/// A row for each route: what, from where, where to, whether it is offline for a moment, and what goes along.
#[must_use]
pub(crate) fn table(book: &Book, names: &Sides<String>) -> String {
    let mut rows = vec![["ROUTE", "HOSTS", "FROM", "TO", "GAP", "SECRETS THAT GO ALONG"].map(str::to_owned)];
    for route in &book.routes {
        rows.push([
            format!("{} {}", route.kind, route.name),
            hosts(route),
            names.of(route.home).clone(),
            names.of(route.home.other()).clone(),
            if route.may_overlap { "no gap" } else { "gap" }.to_owned(),
            or_none(&secrets(book, route)),
        ]);
    }
    let mut text = aligned(&rows);
    if book.routes.iter().any(|route| !route.may_overlap) {
        text.push_str(WHAT_A_GAP_IS);
    }
    text
}

fn hosts(route: &RouteEntry) -> String {
    let hosts = route.urls.iter().map(|url| url.split_once("://").map_or(url.as_str(), |(_, host)| host));
    or_none(&hosts.map(str::to_owned).collect::<Vec<_>>())
}

fn secrets(book: &Book, route: &RouteEntry) -> Vec<String> {
    let goes = |name: &&String| book.secrets.iter().any(|entry| entry.home == route.home && entry.name == **name);
    route.secrets.iter().filter(goes).cloned().collect()
}

fn or_none(list: &[String]) -> String {
    if list.is_empty() { "-".to_owned() } else { list.join(",") }
}

fn aligned<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let rows: Vec<[String; COLUMNS]> = rows.iter().map(|row| row.each_ref().map(|cell| escape(cell))).collect();
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests;
