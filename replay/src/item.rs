//! The objects that are served: recorded ones, and copies of them if the recording is multiplied.

use std::borrow::Cow;

use serde_json::Value;

use crate::scale::{Id, Multiplied, Nth};
use crate::store::{Held, Key, join, place};

/// Everything that is served of one resource.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Objects<'a> {
    pub(crate) key: &'a Key,
    pub(crate) held: &'a Held,
    pub(crate) multiplied: Option<&'a Multiplied>,
}

/// One object.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Item<'a> {
    pub(crate) id: Id,
    /// The recorded object, or the one of which this is a copy.
    recorded: &'a Value,
    key: &'a Key,
    multiplied: Option<&'a Multiplied>,
}

impl<'a> Objects<'a> {
    /// One of them.
    pub(crate) fn item(&self, id: Id) -> Option<Item<'a>> {
        Some(Item {
            id,
            recorded: self.held.objects.get(id.base)?,
            key: self.key,
            multiplied: self.multiplied,
        })
    }

    /// All of a namespace, or of the cluster, in the order in which a real server lists them.
    pub(crate) fn within(self, namespace: Option<&str>) -> impl Iterator<Item = Item<'a>> {
        let order = &self.held.order;
        let range = match namespace {
            None => 0..order.len(),
            Some(namespace) => {
                let start = self.before(&format!("{namespace}/"));
                // The letter after the slash.
                start..self.before(&format!("{namespace}0"))
            }
        };
        let ids = order.get(range).unwrap_or_default();
        ids.iter().filter_map(move |id| self.item(*id))
    }

    /// One by name; `namespace` is empty for cluster-scoped ones.
    pub(crate) fn find(&self, namespace: &str, name: &str) -> Option<Item<'a>> {
        let wanted = join(namespace, name);
        let id = self.held.order.get(self.before(&wanted))?;
        self.item(*id).filter(|item| item.path() == wanted)
    }

    /// How many come before a key.
    fn before(&self, key: &str) -> usize {
        let is_before = |id: &Id| self.item(*id).is_some_and(|i| i.path().as_str() < key);
        self.held.order.partition_point(is_before)
    }
}

impl<'a> Item<'a> {
    /// The namespace; empty for cluster-scoped objects.
    pub(crate) fn namespace(&self) -> Cow<'a, str> {
        let recorded = place(self.recorded).0;
        match self.multiplied {
            Some(multiplied) => multiplied.namespace(recorded, self.id.nth),
            None => Cow::Borrowed(recorded),
        }
    }

    pub(crate) fn name(&self) -> Cow<'a, str> {
        match self.multiplied {
            Some(multiplied) => multiplied.name(self.key, self.recorded, self.id.nth),
            None => Cow::Borrowed(place(self.recorded).1),
        }
    }

    /// What etcd orders objects by: `namespace/name` or `name`.
    pub(crate) fn path(&self) -> String {
        join(&self.namespace(), &self.name())
    }

    /// The whole object.
    pub(crate) fn object(&self) -> Cow<'a, Value> {
        match self.multiplied {
            Some(multiplied) => multiplied.object(self.key, self.recorded, self.id.nth),
            None => Cow::Borrowed(self.recorded),
        }
    }

    /// The text, number or flag at a JSON pointer, without making the whole object.
    pub(crate) fn text(&self, pointer: &str) -> Option<Cow<'a, str>> {
        let text = match self.recorded.pointer(pointer)? {
            Value::String(text) => text,
            Value::Bool(flag) => return Some(Cow::Owned(flag.to_string())),
            // Of what is multiplied there may be more than was counted.
            Value::Number(_) => {
                return Some(Cow::Owned(self.object().pointer(pointer)?.to_string()));
            }
            _ => return None,
        };
        let field = pointer.rsplit('/').next().unwrap_or_default();
        match (pointer, self.multiplied) {
            ("/metadata/name", _) => Some(self.name()),
            (_, Some(multiplied)) => Some(multiplied.value(field, text, self.id.nth)),
            (_, None) => Some(Cow::Borrowed(text)),
        }
    }

    /// The value of a label.
    pub(crate) fn label(&self, name: &str) -> Option<Cow<'a, str>> {
        let value = self
            .recorded
            .pointer("/metadata/labels")?
            .get(name)?
            .as_str()?;
        Some(match self.multiplied {
            Some(multiplied) => multiplied.value(name, value, self.id.nth),
            None => Cow::Borrowed(value),
        })
    }

    /// Namespace and name of the recorded object, under which entries of the bundle stand.
    pub(crate) fn recorded_place(&self) -> (&'a str, &'a str) {
        place(self.recorded)
    }

    /// A text of the bundle that is about the recorded object, as it is about this one.
    pub(crate) fn rewrite(&self, text: &[u8]) -> Vec<u8> {
        match self.multiplied.filter(|_| self.id.nth != Nth::default()) {
            Some(multiplied) => multiplied.rewrite(text, self.id.nth).into_owned(),
            None => text.to_vec(),
        }
    }
}
