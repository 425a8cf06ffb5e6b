//! Packet filter rules as `iptables-save` and `iptables -S` print them.

/// One rule of a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) chain: String,
    /// As it was printed.
    pub(super) text: String,
    pub(super) matches: Vec<Match>,
    /// Where matching packets go: a built-in target or a chain; empty if nowhere.
    pub(super) target: String,
    /// Whether the rest of the calling chain is left out (`-g`).
    pub(super) is_goto: bool,
    /// The port or address of REDIRECT and DNAT.
    pub(super) to: String,
    pub(super) comment: String,
}

/// A condition, and whether it is negated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) what: What,
    pub(super) negated: bool,
}

/// What a condition asks of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum What {
    Protocol(String),
    In(String),
    Out(String),
    Source(String),
    Destination(String),
    Ports(Vec<(u16, u16)>),
    Uid(u32, u32),
    Gid(u32, u32),
    /// Something that a probe packet cannot tell.
    Unknown(String),
}

/// A table's rules, with the policies of its chains.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Ruleset {
    /// Chain names with their policy; user chains have none.
    pub(super) chains: Vec<(String, String)>,
    pub(super) rules: Vec<Rule>,
}

impl Ruleset {
    /// Reads the lines of one table.
    pub(super) fn parse(text: &str) -> Self {
        let mut set = Self::default();
        for line in text.lines() {
            set.take(line.trim());
        }
        set
    }

    fn take(&mut self, line: &str) {
        // `iptables-save -c` prints packet and byte counts first.
        let line = match line.strip_prefix('[') {
            Some(rest) => rest.split_once("] ").map_or("", |(_, rule)| rule),
            None => line,
        };
        if let Some(rest) = line.strip_prefix(':') {
            let mut words = rest.split_whitespace();
            let name = words.next().unwrap_or_default();
            let policy = words.next().filter(|p| *p != "-").unwrap_or_default();
            self.chains.push((name.to_owned(), policy.to_owned()));
        } else if let Some(rest) = line.strip_prefix("-P ") {
            let (name, policy) = rest.split_once(' ').unwrap_or((rest, ""));
            self.chains.push((name.to_owned(), policy.to_owned()));
        } else if let Some(name) = line.strip_prefix("-N ") {
            self.chains.push((name.to_owned(), String::new()));
        } else if line.starts_with("-A ") {
            self.rules.extend(rule(line));
        }
    }

    pub(super) fn of_chain<'a>(&'a self, chain: &'a str) -> impl Iterator<Item = &'a Rule> {
        self.rules.iter().filter(move |r| r.chain == chain)
    }

    /// What becomes of packets at the end of a chain; empty for user chains.
    pub(super) fn policy(&self, chain: &str) -> &str {
        let found = self.chains.iter().find(|(name, _)| name == chain);
        found.map_or("", |(_, policy)| policy)
    }
}

/// Splits at blanks, but not within quotes; undoes the quotes' escapes.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word = String::new();
    let (mut quoted, mut any) = (false, false);
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => {
                quoted = !quoted;
                any = true;
            }
            '\\' if quoted => word.extend(characters.next()),
            c if c.is_whitespace() && !quoted => {
                if any || !word.is_empty() {
                    words.push(std::mem::take(&mut word));
                }
                any = false;
            }
            c => word.push(c),
        }
    }
    if any || !word.is_empty() {
        words.push(word);
    }
    words
}

/// Reads one `-A` line, or the same as an argument list of a command.
pub(super) fn rule(line: &str) -> Option<Rule> {
    let all = words(line);
    let mut words = all.iter().map(String::as_str).peekable();
    let mut rule = Rule {
        chain: String::new(),
        text: line.to_owned(),
        matches: Vec::new(),
        target: String::new(),
        is_goto: false,
        to: String::new(),
        comment: String::new(),
    };
    let mut negated = false;
    while let Some(word) = words.next() {
        if word == "!" {
            negated = true;
            continue;
        }
        // Very old dumps negate after the option.
        let mut argument = |negated: &mut bool| {
            if words.peek() == Some(&"!") {
                words.next();
                *negated = true;
            }
            words.next().unwrap_or_default().to_owned()
        };
        match word {
            "-A" | "--append" => rule.chain = argument(&mut negated),
            "-j" | "--jump" => rule.target = argument(&mut negated),
            "-g" | "--goto" => {
                rule.target = argument(&mut negated);
                rule.is_goto = true;
            }
            "--comment" => rule.comment = argument(&mut negated),
            "--to-ports" | "--to-port" | "--to-destination" => rule.to = argument(&mut negated),
            "-m" | "--match" | "-t" | "--table" => {
                argument(&mut negated);
            }
            "-w" | "--random" | "--random-fully" | "--persistent" => {}
            option => {
                let mut own = negated;
                if let Some(what) = what(option, || argument(&mut own)) {
                    rule.matches.push(Match { what, negated: own });
                }
            }
        }
        negated = false;
    }
    (!rule.chain.is_empty()).then_some(rule)
}

/// What an option asks of a packet; `None` if it asks nothing.
fn what(option: &str, mut argument: impl FnMut() -> String) -> Option<What> {
    Some(match option {
        "-p" | "--protocol" => What::Protocol(argument()),
        "-i" | "--in-interface" => What::In(argument()),
        "-o" | "--out-interface" => What::Out(argument()),
        "-s" | "--source" => What::Source(argument()),
        "-d" | "--destination" => What::Destination(argument()),
        "--dport" | "--dports" | "--destination-port" | "--destination-ports" => {
            What::Ports(ports(&argument()))
        }
        "--uid-owner" | "--gid-owner" => {
            let text = argument();
            match (range(&text), option) {
                (Some((from, to)), "--uid-owner") => What::Uid(from, to),
                (Some((from, to)), _) => What::Gid(from, to),
                (None, _) => What::Unknown(format!("{option} {text}")),
            }
        }
        // Options of targets, which ask nothing.
        "--set-xmark" | "--set-mark" | "--log-prefix" | "--log-level" | "--on-port" | "--on-ip"
        | "--tproxy-mark" | "--zone" | "--helper" | "--reject-with" => {
            argument();
            return None;
        }
        "--syn" | "--socket-exists" | "--notrack" => What::Unknown(option.to_owned()),
        option if option.starts_with('-') => What::Unknown(format!("{option} {}", argument())),
        _ => return None,
    })
}

/// Reads `4190,4191,8000:9000`.
pub(super) fn ports(text: &str) -> Vec<(u16, u16)> {
    let ranges = text.split(',').filter_map(|part| {
        let (from, to) = part.split_once([':', '-']).unwrap_or((part, part));
        Some((from.parse().ok()?, to.parse().ok()?))
    });
    ranges.collect()
}

fn range(text: &str) -> Option<(u32, u32)> {
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    Some((from.parse().ok()?, to.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_dumped_rule_and_the_command_that_made_it_mean_the_same() {
        let dumped = rule("-A PROXY_INIT_REDIRECT -p tcp -m multiport --dports 4190,8000:9000 -m comment --comment \"proxy-init/ignore \\\"x\\\"\" -j RETURN").unwrap();
        let command = rule("/usr/sbin/iptables-nft -t nat -A PROXY_INIT_REDIRECT -p tcp --match multiport --dports 4190,8000:9000 -j RETURN -m comment --comment proxy-init/ignore -w").unwrap();
        assert_eq!(dumped.matches, command.matches);
        assert_eq!(dumped.comment, "proxy-init/ignore \"x\"");
        assert_eq!(dumped.target, "RETURN");
        assert_eq!(
            dumped.matches[1].what,
            What::Ports(vec![(4190, 4190), (8000, 9000)])
        );
    }

    #[test]
    fn negation_is_read_before_and_after_the_option() {
        let rule = rule("-A X ! -d 127.0.0.1/32 -o ! lo -m owner ! --uid-owner 1337 -j Y").unwrap();
        assert!(rule.matches.iter().all(|m| m.negated));
        assert_eq!(rule.matches[2].what, What::Uid(1337, 1337));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(-[ANPmjgdo]|--dports|!|\"|[a-z0-9,: \\\\]){0,40}") {
            Ruleset::parse(&text);
            let _unread = rule(&text);
        }
    }
}
