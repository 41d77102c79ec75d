//! The modules of crates and what is imported from where: every path is followed, through
//! re-exports too, to the file that defines what it names.

use std::collections::{BTreeMap, HashMap};

use syn::Item;

use crate::paths::{Paths, Segments};

/// The text of files, by path.
pub(crate) type Files = BTreeMap<String, String>;

/// All modules of some crates. A module is known by its place in the list.
pub(crate) struct Modules {
    all: Vec<Module>,
    /// Root modules of the crates that others can name.
    crates: HashMap<String, usize>,
}

/// A module: a file, or a block of one.
struct Module {
    file: String,
    /// Itself for the root of a crate.
    parent: usize,
    names: HashMap<String, Vec<Name>>,
    paths: Paths,
}

/// What a name in a module is.
#[derive(Clone)]
enum Name {
    /// Whether a path may lead further, as into a type and not into a function.
    Item(bool),
    Module(usize),
    Import(Segments),
}

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// What it names is defined in this file.
    File(String),
    /// It leads out of the crates that were read; in full, as an import names it.
    Foreign(Segments),
    /// It leads to a module that has no such name.
    Unknown,
}

/// A path in a file, and where it leads.
pub(crate) struct Link<'a> {
    pub(crate) from: &'a str,
    pub(crate) path: String,
    pub(crate) to: Target,
}

impl Modules {
    /// Reads crates, each given by its name and its root file, and whatever modules these declare.
    pub(crate) fn read(crates: &[(String, String)], files: &Files) -> Self {
        let mut modules = Self { all: Vec::new(), crates: HashMap::new() };
        for (name, file) in crates {
            let (folder, _) = file.rsplit_once('/').unwrap_or(("", file));
            let root = modules.add(None, file, folder, &parse(file, files), files);
            modules.crates.insert(name.clone(), root);
        }
        modules
    }

    /// Adds a module whose own modules lie in `folder`.
    fn add(
        &mut self,
        parent: Option<usize>,
        file: &str,
        folder: &str,
        items: &[Item],
        files: &Files,
    ) -> usize {
        let id = self.all.len();
        let mut paths = Paths::of(items);
        let mut names: HashMap<String, Vec<Name>> = HashMap::new();
        for (item, leads_further) in &paths.items {
            names.entry(item.clone()).or_default().push(Name::Item(*leads_further));
        }
        for (path, name) in &paths.uses {
            names.entry(name.clone()).or_default().push(Name::Import(path.clone()));
        }
        let declared = std::mem::take(&mut paths.modules);
        let module = Module { file: file.to_owned(), parent: parent.unwrap_or(id), names, paths };
        self.all.push(module);
        for (name, items) in declared {
            let below = format!("{folder}/{name}");
            let (single, folded) = (format!("{below}.rs"), format!("{below}/mod.rs"));
            let (file, items) = match items {
                Some(items) => (file, items),
                None if files.contains_key(&single) => (&*single, parse(&single, files)),
                None => (&*folded, parse(&folded, files)),
            };
            let child = self.add(Some(id), file, &below, &items, files);
            self.all[id].names.entry(name).or_default().push(Name::Module(child));
        }
        id
    }

    /// Every path of every file. A path that several things of one name answer is there for each.
    pub(crate) fn links(&self) -> Vec<Link<'_>> {
        let mut links = Vec::new();
        for (id, module) in self.all.iter().enumerate() {
            let uses = module.paths.uses.iter().map(|(path, _)| path);
            for path in uses.chain(&module.paths.inline) {
                let targets = self.resolve(id, path, 0).into_iter();
                let link = |to| Link { from: &module.file, path: path.join("::"), to };
                links.extend(targets.map(link));
            }
        }
        links
    }

    /// Files in which something waits.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &str> {
        self.all.iter().filter(|module| module.paths.is_async).map(|module| &*module.file)
    }

    /// Every file.
    pub(crate) fn files(&self) -> impl Iterator<Item = &str> {
        self.all.iter().map(|module| &*module.file)
    }

    /// Where a path leads that is written in module `from`.
    fn resolve(&self, from: usize, path: &[String], depth: usize) -> Vec<Target> {
        assert!(depth < 16, "{}: {path:?} leads in a circle", self.all[from].file);
        match &*path[0] {
            "crate" => self.descend(self.root(from), &path[1..], depth),
            "super" if self.all[from].parent != from => self.up(from, path, depth),
            "self" => self.descend(from, &path[1..], depth),
            "Self" => Vec::new(),
            name => match self.look_up(from, name, path, depth) {
                // `engine::Engine` is a crate's even where a function `engine` is imported.
                found if found.is_empty() || self.leads_outside(name, &found) => {
                    self.outside(path, depth)
                }
                found => found,
            },
        }
    }

    fn leads_outside(&self, name: &str, found: &[Target]) -> bool {
        self.crates.contains_key(name) && found.iter().all(|target| *target == Target::Unknown)
    }

    /// Where a path leads that begins with the name of a crate.
    fn outside(&self, path: &[String], depth: usize) -> Vec<Target> {
        match self.crates.get(&path[0]) {
            Some(root) => self.descend(*root, &path[1..], depth),
            None => vec![Target::Foreign(path.to_vec())],
        }
    }

    /// Follows `super::`, also the second of `super::super::`.
    fn up(&self, from: usize, path: &[String], depth: usize) -> Vec<Target> {
        let parent = self.all[from].parent;
        match path.get(1).map(|next| &**next) {
            Some("super") => self.resolve(parent, &path[1..], depth + 1),
            _ => self.descend(parent, &path[1..], depth),
        }
    }

    /// Follows the remaining `path` into a module.
    fn descend(&self, module: usize, path: &[String], depth: usize) -> Vec<Target> {
        match path.first() {
            None => vec![Target::File(self.all[module].file.clone())],
            Some(name) if name == "*" => vec![Target::File(self.all[module].file.clone())],
            Some(name) => match self.look_up(module, name, path, depth) {
                found if found.is_empty() => vec![Target::Unknown],
                found => found,
            },
        }
    }

    /// Where `path` leads, whose first segment is a name in `module`; nothing if it is none.
    fn look_up(&self, module: usize, name: &str, path: &[String], depth: usize) -> Vec<Target> {
        let names = self.all[module].names.get(name).map_or(&[][..], Vec::as_slice);
        let is_last = path.len() == 1;
        let child = names.iter().find_map(|name| match name {
            Name::Module(id) => Some(*id),
            _ => None,
        });
        let mut found = Vec::new();
        for name in names {
            match name {
                Name::Item(false) if !is_last => {}
                Name::Item(_) => found.push(Target::File(self.all[module].file.clone())),
                Name::Module(id) => found.extend(self.descend(*id, &path[1..], depth + 1)),
                Name::Import(import) => {
                    let whole = [import, &path[1..]].concat();
                    // In `use run::run` the first `run` is another than the one it brings in.
                    found.extend(match child {
                        _ if import[0] != path[0] => self.resolve(module, &whole, depth + 1),
                        Some(child) => self.descend(child, &whole[1..], depth + 1),
                        None => self.outside(&whole, depth),
                    });
                }
            }
        }
        if names.is_empty() { self.look_up_globs(module, name, path, depth) } else { found }
    }

    /// The same for names that a glob brings in.
    fn look_up_globs(
        &self,
        module: usize,
        name: &str,
        path: &[String],
        depth: usize,
    ) -> Vec<Target> {
        if name == "*" || self.crates.contains_key(name) {
            return Vec::new();
        }
        let names = &self.all[module].names;
        let is_known = |first: &String| {
            ["crate", "self", "super"].contains(&&**first)
                || names.contains_key(first)
                || self.crates.contains_key(first)
        };
        let globs = names.get("*").map_or(&[][..], Vec::as_slice);
        let globs = globs.iter().filter_map(|glob| match glob {
            Name::Import(glob) if is_known(&glob[0]) => Some(&glob[..glob.len() - 1]),
            _ => None,
        });
        let found = globs.flat_map(|glob| self.resolve(module, &[glob, path].concat(), depth + 1));
        found.filter(|target| matches!(target, Target::File(_))).collect()
    }

    fn root(&self, mut module: usize) -> usize {
        while self.all[module].parent != module {
            module = self.all[module].parent;
        }
        module
    }
}

fn parse(file: &str, files: &Files) -> Vec<Item> {
    let text = files.get(file).unwrap_or_else(|| panic!("there is no {file}"));
    let parsed = syn::parse_file(text).unwrap_or_else(|error| panic!("{file}: {error}"));
    parsed.items
}
