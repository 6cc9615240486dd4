//! The labels of a record.

use crate::texts::Text;

/// Labels of a record, by key.
///
/// Most records have one to three, and a store has hundreds of thousands of records: sorted pairs take an eighth of the memory
/// of a map, and what other records have, too, is theirs as well.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Vec<(Text, Text)>);

impl Labels {
    /// The value of the label `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        let at = self.find(key).ok()?;
        self.0.get(at).map(|(_, value)| value.as_str())
    }

    /// Whether there is a label `key`.
    #[must_use]
    pub fn contains_key(&self, key: &str) -> bool {
        self.find(key).is_ok()
    }

    /// Keys and values, by key.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The keys, in their order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(key, _)| key.as_str())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Gives the label `key` a value, in place of what it had.
    pub fn insert(&mut self, key: impl Into<Text>, value: impl Into<Text>) {
        let key = key.into();
        // A walk over a bucket comes by the keys in their order: at the end is where almost all go.
        match self.find(&key) {
            Ok(at) => {
                if let Some((_, old)) = self.0.get_mut(at) {
                    *old = value.into();
                }
            }
            Err(at) => {
                if self.0.len() < 4 {
                    self.0.reserve_exact(1);
                }
                self.0.insert(at, (key, value.into()));
            }
        }
    }

    fn find(&self, key: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(known, _)| known.as_str().cmp(key))
    }
}

impl<K: Into<Text>, V: Into<Text>> FromIterator<(K, V)> for Labels {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(pairs: T) -> Self {
        let mut labels = Labels::default();
        pairs.into_iter().for_each(|(key, value)| labels.insert(key, value));
        labels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_a_map() {
        let pairs = [("b", "2"), ("a", "1"), ("c", "3"), ("b", "4"), ("e", "5"), ("d", "6")];
        let labels: Labels = pairs.into_iter().collect();
        assert_eq!(
            labels.iter().collect::<Vec<_>>(),
            [("a", "1"), ("b", "4"), ("c", "3"), ("d", "6"), ("e", "5")]
        );
        assert_eq!(labels.get("b"), Some("4"));
        assert_eq!(labels.get("f"), None);
        assert!(labels.contains_key("e") && !labels.contains_key(""));
        assert!(labels.keys().eq(["a", "b", "c", "d", "e"]));
        assert!(Labels::default().is_empty() && !labels.is_empty());
    }
}
