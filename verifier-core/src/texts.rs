//! Texts that share their memory.

use std::borrow::Borrow;
use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// A text whose copies share its memory.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<str>);

/// Keeps each text once. A large store names its snapshots, labels and media types a hundred thousand times: as parents, as
/// children, in both databases.
#[derive(Debug, Default)]
pub(crate) struct Texts(RefCell<HashSet<Text>>);

impl Texts {
    /// The one copy of `text`.
    pub(crate) fn get(&self, text: &str) -> Text {
        let mut known = self.0.borrow_mut();
        if let Some(text) = known.get(text) {
            return text.clone();
        }
        let new = Text::from(text);
        known.insert(new.clone());
        new
    }
}

impl Text {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Text {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Text(text.into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Text(text.into())
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

impl PartialEq<String> for Text {
    fn eq(&self, other: &String) -> bool {
        *self.0 == **other
    }
}

impl PartialEq<Text> for String {
    fn eq(&self, other: &Text) -> bool {
        **self == *other.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_text_is_the_same_memory() {
        let texts = Texts::default();
        let (one, other) = (texts.get("a"), texts.get("b"));
        assert!(Arc::ptr_eq(&one.0, &texts.get("a").0) && !Arc::ptr_eq(&one.0, &other.0));
        assert_eq!((one.as_str(), other.as_str()), ("a", "b"));
    }
}
