//! JSON as Go's `encoding/json` reads it, without keeping what nobody asks for.
//!
//! Names may be in any case. Of a name that stands twice both values are read, the second into what the first left; a list
//! ends up as long as the last one. `null` changes nothing, but empties a list. More than 10,000 levels are refused. Go also
//! takes what is no UTF-8 in names and in values that nobody asks for.
//! (encoding/json: decode.go `object` and `array`, scanner.go `maxNestingDepth`, fold.go.)
//!
//! Never `serde_json::Value`: a document of 15 MiB makes one of 1.5 GB. For the same reason no error repeats a value.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::allowance::Allowance;
use crate::time::Timestamp;

/// Go's limit.
const LEVELS_MAX: usize = 10_000;

/// The names that matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Name {
    Architecture,
    Config,
    Created,
    DiffIds,
    Digest,
    Layers,
    Manifests,
    MediaType,
    Os,
    RootFs,
    Size,
    Other,
}

impl Name {
    fn of(name: &[u8]) -> Name {
        const NAMES: [(&str, Name); 11] = [
            ("architecture", Name::Architecture),
            ("config", Name::Config),
            ("created", Name::Created),
            ("diff_ids", Name::DiffIds),
            ("digest", Name::Digest),
            ("layers", Name::Layers),
            ("manifests", Name::Manifests),
            ("mediatype", Name::MediaType),
            ("os", Name::Os),
            ("rootfs", Name::RootFs),
            ("size", Name::Size),
        ];
        let known = NAMES.into_iter().find(|(known, _)| is_fold_of(name, known.as_bytes()));
        known.map_or(Name::Other, |(_, name)| name)
    }
}

/// Whether `name` is `folded` in some case. Two signs that are no ASCII fold to letters: the long s and the Kelvin.
fn is_fold_of(mut name: &[u8], mut folded: &[u8]) -> bool {
    while let Some((letter, rest)) = folded.split_first() {
        let sign = match letter {
            b's' => "\u{17f}",
            b'k' => "\u{212a}",
            _ => "",
        };
        name = match name.split_first() {
            Some((first, after)) if first.eq_ignore_ascii_case(letter) => after,
            _ => match name.strip_prefix(sign.as_bytes()).filter(|_| !sign.is_empty()) {
                Some(after) => after,
                None => return false,
            },
        };
        folded = rest;
    }
    name.is_empty()
}

/// An object whose fields are read into what is there already.
pub(super) trait Shape {
    /// Reads the value of `name`, or skips it.
    fn field<'de, A: MapAccess<'de>>(&mut self, name: Name, map: &mut A) -> Result<(), A::Error>;
}

/// Something that is in a list.
pub(super) trait Item: Sized {
    /// Reads one into what `before` left in its place.
    fn read<'de, D: Deserializer<'de>>(
        before: Option<&Self>,
        allowance: &Allowance,
        deserializer: D,
    ) -> Result<Self, D::Error>;
}

/// Reads a whole document, which must be an object.
pub(super) fn read(bytes: &[u8], shape: &mut impl Shape) -> Result<(), serde_json::Error> {
    if is_too_deep(bytes) {
        return Err(serde_json::Error::custom(format!("more than {LEVELS_MAX} levels")));
    }
    if bytes.trim_ascii_start().first() != Some(&b'{') {
        return Err(serde_json::Error::custom("no object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    Object(shape).deserialize(&mut deserializer)?;
    deserializer.end()
}

fn is_too_deep(bytes: &[u8]) -> bool {
    let (mut levels, mut in_text, mut escaped) = (0_usize, false, false);
    for byte in bytes {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' | b'[' => levels += 1,
            b'}' | b']' => levels = levels.saturating_sub(1),
            _ => {}
        }
        if levels > LEVELS_MAX {
            return true;
        }
    }
    false
}

/// Skips the value of a field.
pub(super) fn skip<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    map.next_value::<IgnoredAny>().map(drop)
}

/// Reads an object into a shape.
pub(super) struct Object<'a, S>(pub(super) &'a mut S);

impl<'de, S: Shape> DeserializeSeed<'de> for Object<'_, S> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Shape> Visitor<'de> for Object<'_, S> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom("a text where an object should be"))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(name) = map.next_key_seed(Key)? {
            self.0.field(name, &mut map)?;
        }
        Ok(())
    }
}

struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Name;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Name, D::Error> {
        deserializer.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Key {
    type Value = Name;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_bytes<E: Error>(self, name: &[u8]) -> Result<Name, E> {
        Ok(Name::of(name))
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Name, E> {
        Ok(Name::of(name.as_bytes()))
    }
}

/// Reads a list into one that is there already.
pub(super) struct List<'a, T>(pub(super) &'a mut Vec<T>, pub(super) &'a Allowance);

impl<'de, T: Item> DeserializeSeed<'de> for List<'_, T> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: Item> Visitor<'de> for List<'_, T> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.clear();
        Ok(())
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<(), E> {
        Err(E::custom("a text where a list should be"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let List(items, allowance) = self;
        let mut count = 0;
        while let Some(item) = list.next_element_seed(One { before: items.get(count), allowance })? {
            match items.get_mut(count) {
                Some(place) => *place = item,
                None => items.push(item),
            }
            count += 1;
        }
        items.truncate(count);
        Ok(())
    }
}

struct One<'a, T> {
    before: Option<&'a T>,
    allowance: &'a Allowance,
}

impl<'de, T: Item> DeserializeSeed<'de> for One<'_, T> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        T::read(self.before, self.allowance, deserializer)
    }
}

/// Reads a text, and makes something of it; `None` for `null`.
pub(super) struct Text<F>(pub(super) F);

impl<'de, T, X: fmt::Display, F: FnOnce(&str) -> Result<T, X>> DeserializeSeed<'de> for Text<F> {
    type Value = Option<T>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<T>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<T, X: fmt::Display, F: FnOnce(&str) -> Result<T, X>> Visitor<'_> for Text<F> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_unit<E: Error>(self) -> Result<Option<T>, E> {
        Ok(None)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Option<T>, E> {
        self.0(text).map(Some).map_err(E::custom)
    }
}

/// Reads a whole number; `None` for `null`.
pub(super) struct Number;

impl<'de> DeserializeSeed<'de> for Number {
    type Value = Option<i64>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<i64>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Number {
    type Value = Option<i64>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a whole number")
    }

    fn visit_unit<E: Error>(self) -> Result<Option<i64>, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Option<i64>, E> {
        Ok(Some(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Option<i64>, E> {
        i64::try_from(number).map(Some).map_err(|_| E::custom("a number that is too large"))
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Option<i64>, E> {
        Err(E::custom("a text where a number should be"))
    }
}

/// Reads anything: a time if it is one.
pub(super) struct Time;

impl<'de> DeserializeSeed<'de> for Time {
    type Value = Option<Timestamp>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Time {
    type Value = Option<Timestamp>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Timestamp::parse(text))
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_seq(list).map(|_| None)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        IgnoredAny.visit_map(map).map(|_| None)
    }
}
