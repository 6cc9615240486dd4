//! Having CRI look again at images whose documents were put back.

use super::{Act, LiveError, LiveStore};

impl LiveStore<'_> {
    /// Writes each record as it is, which containerd announces, so that CRI reads the image again (internal/cri/server/events.go);
    /// and says which names there were. Nothing but their times of update changes.
    pub fn wake(&mut self, namespace: &str, names: &[String]) -> Result<Vec<String>, LiveError> {
        let namespace = self.live.namespace(namespace);
        let mut woken = Vec::new();
        for name in names {
            let Some(row) = namespace.image(name)? else { continue };
            let act = Act::TouchImage { namespace: namespace.name().to_owned(), name: name.clone() };
            self.before(&act)?;
            if namespace.touch_image(&row)? {
                woken.push(name.clone());
            }
        }
        Ok(woken)
    }

    /// The names in a namespace whose target is one of these digests: CRI keeps three for an image.
    pub fn names_of(&self, namespace: &str, digests: &[String]) -> Result<Vec<String>, LiveError> {
        let rows = self.live.namespace(namespace).images()?.into_iter();
        Ok(rows.filter(|row| digests.contains(&row.digest)).map(|row| row.name).collect())
    }
}
