//! Puts keyed tokens in the place of names and addresses, the same everywhere in a bundle.
//!
//! First the bundle's lists of objects are read for names (`names`); then every entry is
//! rewritten: objects by what their fields mean (`objects`), certificates as derived facts
//! (`certificates`), anything else as text (`text`). Linkerd's and Kubernetes' own words stay
//! (`vocabulary`). Whoever has the key file can turn the tokens back ([`restore`]).

mod addresses;
mod certificates;
pub mod key;
mod names;
mod objects;
pub mod restore;
mod text;
mod vocabulary;

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bundle::{Bundle, EntryPath};

use key::{Key, KeyFile};

/// Knows what stands for what.
pub struct Anonymizer {
    key: Key,
    /// Tokens of all names that the objects told.
    names: HashMap<String, String>,
    /// Certificates of authorities in DER, to tell who signed what.
    authorities: Vec<Vec<u8>>,
    /// What was met on the way: labels of hosts, values of annotations, addresses.
    learned: Mutex<BTreeMap<String, String>>,
}

impl Anonymizer {
    /// Reads the names of a bundle.
    pub fn of(bundle: &Bundle, key: Key) -> Self {
        let gathered = names::gather(bundle);
        let named = gathered.names.into_iter();
        let names = named.map(|name| (name.clone(), key.token(&name))).collect();
        Self {
            key,
            names,
            authorities: gathered.authorities,
            learned: Mutex::default(),
        }
    }

    /// Adds what every token and address stands for to the key file's content.
    pub fn tell(self, file: &mut KeyFile) {
        let learned = self
            .learned
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        let named = self.names.into_iter().collect::<BTreeMap<_, _>>();
        for (name, token) in named.into_iter().chain(learned) {
            if name != token {
                file.tokens.insert(token, name);
            }
        }
    }

    /// The path of an entry.
    pub fn path(&self, path: &EntryPath) -> EntryPath {
        EntryPath::parse(self.string(path.as_str())).unwrap_or_else(|_| path.clone())
    }

    fn learned(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.learned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn token_of(&self, name: &str) -> Option<&str> {
        self.names.get(name).map(String::as_str)
    }

    /// The token of a name that is none of the objects'.
    fn learn(&self, name: &str) -> String {
        if let Some(token) = self.token_of(name) {
            return token.to_owned();
        }
        let mut learned = self.learned();
        let token = learned.entry(name.to_owned());
        token.or_insert_with(|| self.key.token(name)).clone()
    }

    /// What stands for an address; of a network, with nothing behind its prefix.
    fn address(&self, address: IpAddr, prefix: u8) -> String {
        let told = if is_network(address, prefix) {
            format!("{address}/{prefix}")
        } else {
            address.to_string()
        };
        if let Some(known) = self.learned().get(&told) {
            return without_prefix(known);
        }
        let other = addresses::anonymized(&self.key, address);
        let other = if told.contains('/') {
            format!("{}/{prefix}", addresses::network(other, prefix))
        } else {
            other.to_string()
        };
        self.learned().insert(told, other.clone());
        without_prefix(&other)
    }
}

fn without_prefix(text: &str) -> String {
    text.split('/').next().unwrap_or_default().to_owned()
}

fn is_network(address: IpAddr, prefix: u8) -> bool {
    prefix < 128 && addresses::network(address, prefix) == address && !address.is_unspecified()
}
