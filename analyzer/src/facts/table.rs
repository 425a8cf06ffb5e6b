//! The tables that kubectl prints, taken apart into cells. A table that was pasted may have lost its
//! alignment, so the places of the heads count only where they fit.

/// Heads of two words.
const PAIRS: [&str; 5] = [
    "LAST SEEN",
    "FIRST SEEN",
    "NOMINATED NODE",
    "READINESS GATES",
    "NODE SELECTOR",
];

/// The heads of a table's columns, with the places where they start.
pub(super) struct Head<'a> {
    columns: Vec<(usize, &'a str)>,
}

/// The cells of one line.
pub(super) struct Cells<'a, 't> {
    head: &'a Head<'a>,
    cells: Vec<&'t str>,
}

impl<'t> Cells<'_, 't> {
    /// The cell below a head; empty if there is none, or if it says so.
    pub(super) fn get(&self, name: &str) -> &'t str {
        let at = self.head.columns.iter().position(|(_, n)| *n == name);
        let cell = at.and_then(|at| self.cells.get(at)).copied();
        cell.filter(|cell| !matches!(*cell, "<none>" | "<unset>"))
            .unwrap_or_default()
    }
}

impl<'a> Head<'a> {
    /// The heads that stand in a line; `None` if it holds anything but upper-case words.
    pub(super) fn of(line: &'a str) -> Option<Self> {
        let mut columns = Vec::new();
        let mut at = 0;
        loop {
            let rest = line.get(at..)?;
            at += rest.len() - rest.trim_start().len();
            let rest = line.get(at..)?;
            if rest.is_empty() {
                break;
            }
            let word = rest.split(char::is_whitespace).next()?;
            let pair = PAIRS.iter().find(|pair| rest.starts_with(**pair));
            let name = rest.get(..pair.map_or(word.len(), |pair| pair.len()))?;
            let is_letter = |c: char| c.is_ascii_uppercase() || "()- ".contains(c);
            if !name.chars().all(is_letter) {
                return None;
            }
            columns.push((at, name));
            at += name.len();
        }
        (columns.len() > 1).then_some(Self { columns })
    }

    /// Whether all of these columns are there.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        let is_there = |name: &&str| self.columns.iter().any(|(_, n)| n == name);
        names.iter().all(is_there)
    }

    /// Takes a line apart: where the heads start if its cells stand there, else where there are two
    /// spaces, last at every space. `None` if nothing gives a cell for each column.
    pub(super) fn cells<'t>(&'a self, line: &'t str) -> Option<Cells<'a, 't>> {
        let cells = self
            .by_place(line)
            .or_else(|| self.in_order(line, is_wide))
            .or_else(|| self.in_order(line, is_narrow))?;
        Some(Cells { head: self, cells })
    }

    /// Cuts a line where the heads start, if each cell starts there and holds no other.
    fn by_place<'t>(&self, line: &'t str) -> Option<Vec<&'t str>> {
        let ends = self.columns.iter().skip(1).map(|(at, _)| *at);
        let ends = ends.chain([usize::MAX]);
        let spaces = self.columns.iter().zip(ends).map(|((at, name), end)| {
            let (start, end) = ((*at).min(line.len()), end.min(line.len()));
            let cell = line.get(start..end)?;
            let is_cut = start > 0 && !line.get(..start)?.ends_with([' ', '\t']);
            let is_off = cell.starts_with([' ', '\t']) && !cell.trim().is_empty();
            let is_more = *name != "MESSAGE" && cut(cell.trim(), is_narrow).is_some();
            (cell.is_empty() || !(is_off || is_more || is_cut)).then(|| cell.trim())
        });
        let cells: Vec<&str> = spaces.collect::<Option<_>>()?;
        let first = self.columns.first().map_or(0, |(at, _)| *at);
        let before = line.get(..first.min(line.len()))?;
        before.trim().is_empty().then_some(cells)
    }

    /// Cuts a line at its gaps, if that gives a cell for each column. Only a message may hold gaps.
    fn in_order<'t>(&self, line: &'t str, is_gap: IsGap) -> Option<Vec<&'t str>> {
        let mut cells = Vec::new();
        let mut rest = line.trim();
        while cells.len() + 1 < self.columns.len() {
            let (cell, after) = cut(rest, is_gap)?;
            cells.push(cell);
            rest = after;
        }
        cells.push(rest);
        let is_message = self.columns.last().is_some_and(|(_, n)| *n == "MESSAGE");
        (is_message || cut(rest, is_gap).is_none()).then_some(cells)
    }
}

/// Whether a space between what is before and what is after it divides two cells.
type IsGap = fn(before: &str, space: &str, after: &str) -> bool;

fn is_wide(_: &str, space: &str, _: &str) -> bool {
    space.len() > 1 || space == "\t"
}

/// `5 (3m ago)` and `kubelet, node-a` are one cell.
fn is_narrow(before: &str, _: &str, after: &str) -> bool {
    !after.starts_with('(') && !before.ends_with(',') && before.rfind('(') <= before.rfind(')')
}

/// What is before and after the first gap.
fn cut(text: &str, is_gap: IsGap) -> Option<(&str, &str)> {
    let mut from = 0;
    loop {
        let start = from + text.get(from..)?.find(char::is_whitespace)?;
        let (before, rest) = text.split_at_checked(start)?;
        let after = rest.trim_start();
        let space = rest.get(..rest.len() - after.len())?;
        if is_gap(before, space, after) {
            return Some((before, after));
        }
        from = text.len() - after.len();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told<'t>(head: &str, line: &'t str, names: &[&str]) -> Vec<&'t str> {
        let head = Head::of(head).unwrap();
        let cells = head.cells(line).unwrap();
        names.iter().map(|name| cells.get(name)).collect()
    }

    #[test]
    fn cells_are_told_by_place_by_gaps_or_by_order() {
        let names = ["NAME", "READY", "RESTARTS", "AGE"];
        let want = ["cart-0", "0/1", "5 (3m ago)", "2h"];
        for (head, line) in [
            (
                "NAME     READY   RESTARTS     AGE",
                "cart-0   0/1     5 (3m ago)   2h",
            ),
            (
                "NAME  READY  RESTARTS  AGE",
                "cart-0       0/1     5 (3m ago)   2h",
            ),
            ("NAME\tREADY\tRESTARTS\tAGE", "cart-0\t0/1\t5 (3m ago)\t2h"),
            ("NAME READY RESTARTS AGE", "cart-0 0/1 5 (3m ago) 2h"),
            ("NAME   READY   RESTARTS   AGE", "cart-0 0/1 5 (3m ago) 2h"),
        ] {
            assert_eq!(told(head, line, &names), want, "{line}");
        }
    }

    #[test]
    fn an_empty_cell_stays_empty_where_the_others_stand_in_their_places() {
        let head = "NAMESPACE   NAME   IP     NODE     NOMINATED NODE";
        let line = "            a             node-a   <none>";
        let names = ["NAMESPACE", "NAME", "IP", "NODE", "NOMINATED NODE"];
        assert_eq!(told(head, line, &names), ["", "a", "", "node-a", ""]);
    }

    #[test]
    fn a_line_with_too_few_cells_is_none() {
        let head = Head::of("NAME READY STATUS").unwrap();
        assert!(head.cells("a b").is_none());
        assert!(Head::of("Name READY").is_none());
        assert!(Head::of("").is_none());
    }
}
