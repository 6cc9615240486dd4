//! Prometheus' text format (its documentation, "Exposition formats", version 0.0.4), read more strictly than Prometheus does:
//! what is told of a metric is told before its samples, once, and all of it in one place.

use std::collections::{BTreeMap, BTreeSet};

/// Labels by name.
pub(crate) type Labels = BTreeMap<String, String>;

/// The samples of a file.
pub(crate) fn parse(text: &str) -> Result<BTreeMap<(String, Labels), f64>, String> {
    let body = text.strip_suffix('\n').ok_or("the last line does not end")?;
    let (mut samples, mut done, mut helped) = (BTreeMap::new(), BTreeSet::new(), BTreeSet::new());
    let mut family = "";
    for line in body.split('\n') {
        let fail = |what: &str| Err(format!("{what}: {line}"));
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, help) = rest.split_once(' ').ok_or("a HELP without text")?;
            if !is_name(name, true) || !helped.insert(name) || unescaped(help, false).is_none() {
                return fail("HELP");
            }
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').ok_or("a TYPE without a type")?;
            if !helped.contains(name) || !done.insert(name) || !["gauge", "counter"].contains(&kind) {
                return fail("TYPE");
            }
            family = name;
        } else {
            let (name, labels, value) = sample(line).ok_or_else(|| format!("no sample: {line}"))?;
            if name != family {
                return fail("a sample away from its family");
            }
            if samples.insert((name.to_owned(), labels), value).is_some() {
                return fail("twice");
            }
        }
    }
    Ok(samples)
}

/// `name{label="value",…} value`, no more and no blank less.
fn sample(line: &str) -> Option<(&str, Labels, f64)> {
    let (name, rest) = line.split_at(line.find(['{', ' '])?);
    let mut labels = Labels::new();
    let value = match rest.strip_prefix('{') {
        None => rest.strip_prefix(' ')?,
        Some(mut rest) => loop {
            let (label, quoted) = rest.split_once("=\"")?;
            let end = closing_quote(quoted)?;
            let (value, after) = (quoted.get(..end)?, quoted.get(end + 1..)?);
            if !is_name(label, false) || labels.insert(label.into(), unescaped(value, true)?).is_some() {
                return None;
            }
            match after.strip_prefix("} ") {
                Some(value) => break value,
                None => rest = after.strip_prefix(',')?,
            }
        },
    };
    let number = match value {
        "+Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        "NaN" => f64::NAN,
        text if text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.e".contains(&byte)) => {
            text.parse().ok()?
        }
        _ => return None,
    };
    is_name(name, true).then_some((name, labels, number))
}

fn closing_quote(text: &str) -> Option<usize> {
    let mut is_escaped = false;
    text.bytes().position(|byte| {
        let is_end = byte == b'"' && !is_escaped;
        is_escaped = byte == b'\\' && !is_escaped;
        is_end
    })
}

/// The text behind the escapes `\\`, `\n` and, in a label's value, `\"`; `None` for any other.
fn unescaped(text: &str, is_label: bool) -> Option<String> {
    let mut plain = String::new();
    let mut chars = text.chars();
    while let Some(char) = chars.next() {
        plain.push(match char {
            '\\' => match chars.next()? {
                '\\' => '\\',
                'n' => '\n',
                '"' if is_label => '"',
                _ => return None,
            },
            '\n' => return None,
            other => other,
        });
    }
    Some(plain)
}

fn is_name(name: &str, is_metric: bool) -> bool {
    let is_first = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_' || (is_metric && byte == b':');
    let mut bytes = name.bytes();
    bytes.next().is_some_and(is_first) && bytes.all(|byte| is_first(byte) || byte.is_ascii_digit())
}

#[test]
fn the_parser_takes_the_format_and_nothing_else() {
    let head = "# HELP a b c\n# TYPE a gauge\n";
    let labels = parse(&format!("{head}a{{x=\"1\\\\2\\\"3\\n\",y_=\"}} ,\"}} -1.5e3\na +Inf\n")).unwrap();
    let (key, value) = labels.iter().next_back().unwrap();
    assert_eq!((key.1["x"].as_str(), key.1["y_"].as_str(), *value), ("1\\2\"3\n", "} ,", -1500.0));
    for bad in [
        "a 1",
        "b 1\n",
        "a 1\na 1\n",
        "a  1\n",
        "a 1 \n",
        "a{} 1\n",
        "a{x=\"\\t\"} 1\n",
        "a{x=\"1\"}1\n",
        "a{1=\"\"} 1\n",
        "a{x=\"\",x=\"\"} 1\n",
        "a x\n",
        "a inf\n",
        "\n",
        "# a\n",
        "a 1\n# HELP a b\n",
        "a 1\n# TYPE a gauge\n",
        "a{x=\"1} 1\n",
    ] {
        assert!(parse(&format!("{head}{bad}")).is_err(), "{bad}");
    }
    assert!(
        parse("# TYPE a gauge\na 1\n").is_err() && parse("# HELP a b\na 1\n").is_err() && parse("").is_err()
    );
}
