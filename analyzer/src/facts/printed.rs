//! The tables that `kubectl get` prints, one after the other as somebody pasted them: which one a
//! line belongs to.

use std::sync::Arc;

use bundle::EntryInfo;

use super::table::{Cells, Head};
use super::{Gap, Piece, event_table, pod_table};

/// Lines from the start of a text in which the first table begins.
const FIRST: usize = 8;

/// Makes an object of one line; `None` if the line is none of its table.
type Reader = fn(&EntryInfo, &Cells<'_, '_>, u64) -> Option<Piece>;

/// What of the text is read.
enum Line<'t> {
    /// Heads of a table that is read.
    Head(Head<'t>, Reader),
    /// Heads of another.
    Other,
    /// The command that printed it, or a mark of the page that it was pasted to.
    Beside,
    Row,
}

impl<'t> Line<'t> {
    fn of(line: &'t str) -> Self {
        let text = line.trim();
        let commands = ["kubectl ", "oc ", "k get ", "k -n "];
        let typed = text.trim_start_matches(|c: char| "$#>% ".contains(c));
        let is_typed = commands.iter().any(|c| typed.starts_with(c));
        if text.is_empty() || text.starts_with("```") || is_typed || text.contains("$ kubectl ") {
            return Self::Beside;
        }
        let Some(head) = Head::of(line) else {
            return Self::Row;
        };
        let known: [(&[&str], Reader); 3] = [
            (&event_table::COLUMNS, event_table::event),
            (&pod_table::POD_COLUMNS, pod_table::pod),
            (&pod_table::NODE_COLUMNS, pod_table::node),
        ];
        let found = known.into_iter().find(|(names, _)| head.has(names));
        match found {
            Some((_, reader)) => Self::Head(head, reader),
            None if head.has(&["NAME"]) || head.has(&["LAST SEEN"]) => Self::Other,
            None => Self::Row,
        }
    }
}

/// Whether text begins with a table that is read, perhaps behind the command that printed it.
pub(super) fn is_table(start: &[u8]) -> bool {
    let lines = start.split(|b| *b == b'\n').take(FIRST);
    for line in lines {
        let Ok(line) = std::str::from_utf8(line) else {
            return false;
        };
        match Line::of(line) {
            Line::Head(..) => return true,
            Line::Beside => {}
            Line::Other | Line::Row => return false,
        }
    }
    false
}

/// Parses the tables of a text. Lines that do not fit their table are a gap.
pub(super) fn parse(entry: &Arc<EntryInfo>, bytes: &[u8]) -> Vec<Piece> {
    let content = String::from_utf8_lossy(bytes);
    let mut pieces = Vec::new();
    let mut table: Option<(Head<'_>, Reader)> = None;
    let mut unread: Vec<u64> = Vec::new();
    for (line, number) in content.lines().zip(1u64..) {
        match Line::of(line) {
            Line::Head(head, reader) => table = Some((head, reader)),
            Line::Other => table = None,
            Line::Beside => {}
            Line::Row => {
                let Some((head, reader)) = &table else {
                    continue;
                };
                let cells = head.cells(line);
                match cells.and_then(|cells| reader(entry, &cells, number)) {
                    Some(piece) => pieces.push(piece),
                    None => unread.push(number),
                }
            }
        }
    }
    if let Some(first) = unread.first() {
        let detail = format!(
            "has {} lines, from line {first}, that do not fit the columns of their table",
            unread.len()
        );
        let entry = entry.path.to_string();
        pieces.push(Piece::Gap(Gap { entry, detail }));
    }
    pieces
}
