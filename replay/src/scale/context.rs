//! Whether what stands in a text is a word that means something: told by what is around it.

use super::tokens::Token;

/// Whether a word is one, and not a part of another.
pub(super) fn stands_alone(before: &[u8], after: &[u8], token: &Token) -> bool {
    let is_of_word = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    // In JSON a new line is a letter behind a backslash.
    let is_escaped = matches!(before, [.., b'\\', b'n' | b'r' | b't']);
    let goes_on = before.last().is_some_and(is_of_word) && !is_escaped;
    if goes_on || after.first().is_some_and(is_of_word) {
        return false;
    }
    match token {
        Token::Namespace => names_a_namespace(before, after),
        Token::Node(_, true) => names_a_node(before),
        // `10.0.0.1` is not in `110.0.0.1.5`, and is in `10.0.0.1.` at the end of a sentence.
        Token::Address(..) => {
            let goes_on = matches!(after, [b'.', next, ..] if next.is_ascii_digit());
            !goes_on && before.last() != Some(&b'.')
        }
        _ => true,
    }
}

/// Whether what is before a word says that it is the name of a node.
fn names_a_node(before: &[u8]) -> bool {
    // `"nodeName":"worker"`, `node="worker"`, `assigned shop/cart to worker`.
    let keys: [&[u8]; 5] = [
        b"nodename",
        b"host",
        b"hostname",
        b"node",
        b"reportinginstance",
    ];
    names_after(before, &keys) || before.ends_with(b" to ")
}

/// Whether a text ends with one of some keys and what stands between a key and its value.
fn names_after(before: &[u8], keys: &[&[u8]]) -> bool {
    let is_mark = |b: &u8| matches!(b, b'"' | b'\\' | b'=' | b':' | b' ' | b'/' | b'\'');
    let marks = before
        .iter()
        .rev()
        .take(8)
        .take_while(|b| is_mark(b))
        .count();
    let key = before.get(..before.len() - marks).unwrap_or_default();
    marks > 0 && keys.iter().any(|k| ends_with_key(key, k))
}

/// Whether what is around a word says that it is the name of a namespace.
fn names_a_namespace(before: &[u8], after: &[u8]) -> bool {
    // `namespace="shop"`, `"linkerd.io/workload-ns":"shop"`, `{\"ns\":\"shop\"`, `namespaces/shop`.
    let keys: [&[u8]; 4] = [
        b"namespace",
        b"namespaces",
        b"ns",
        b"kubernetes.io/metadata.name",
    ];
    if names_after(before, &keys) {
        return true;
    }
    // `cart.shop.svc.cluster.local`, `default.shop.serviceaccount.identity.linkerd.cluster.local`.
    if [&b".svc"[..], b".serviceaccount", b".pod."]
        .iter()
        .any(|s| after.starts_with(s))
    {
        return true;
    }
    // `cart.shop:8080`.
    let is_port = matches!(after, [b':', digit, ..] if digit.is_ascii_digit());
    if is_port && matches!(before, [.., host, b'.'] if host.is_ascii_alphanumeric()) {
        return true;
    }
    // `shop/cart-7cc5f8978b-zwdmb`, but neither `batch/v1` nor the image `shop/cart:1.4`.
    let stands_first = before
        .last()
        .is_none_or(|b| matches!(b, b'"' | b'\'' | b' ' | b'(' | b'[' | b'=' | b','));
    let other = [&b"apiversion"[..], b"image"];
    stands_first
        && matches!(after, [b'/', next, ..] if next.is_ascii_alphanumeric())
        && !is_version(after)
        && !names_after(before, &other)
}

/// Whether a text begins like `/v1` or `/v1beta3`, and with nothing longer.
fn is_version(text: &[u8]) -> bool {
    let Some(version) = text.strip_prefix(b"/v") else {
        return false;
    };
    let end = version
        .iter()
        .position(|b| !b.is_ascii_alphanumeric() && *b != b'-');
    let version = version
        .get(..end.unwrap_or(version.len()))
        .unwrap_or_default();
    let stages = [&b"alpha"[..], b"beta"];
    let plain = stages.iter().find_map(|stage| {
        let at = version.windows(stage.len()).position(|w| w == *stage)?;
        Some((version.get(..at)?, version.get(at + stage.len()..)?))
    });
    let (major, minor) = plain.unwrap_or((version, b"1"));
    let is_number = |b: &[u8]| !b.is_empty() && b.iter().all(u8::is_ascii_digit);
    is_number(major) && is_number(minor)
}

/// Whether a text ends with a key, of which the last word may be in any case.
fn ends_with_key(text: &[u8], key: &[u8]) -> bool {
    let Some((before, end)) = text.split_at_checked(text.len().wrapping_sub(key.len())) else {
        return false;
    };
    end.eq_ignore_ascii_case(key) && !before.last().is_some_and(u8::is_ascii_alphanumeric)
}
