//! The paths of one module as they are written, read with `syn`: `use` declarations, types,
//! expressions, and paths in macros and in attributes. Code under `#[cfg(test)]` is left out.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};
use syn::{
    Attribute, ExprAsync, ExprAwait, ExprClosure, ImplItem, Item, ItemMod, ItemUse, Macro, Meta,
    Signature, Stmt, UseTree, Visibility,
};

/// A path, segment by segment; a glob's last segment is `*`.
pub(crate) type Segments = Vec<String>;

/// What one module says. A module within braces is another module of the same file.
#[derive(Default)]
pub(crate) struct Paths {
    /// What is imported, and under which name; `_` for none.
    pub(crate) uses: Vec<(Segments, String)>,
    /// Paths of two and more segments in code. One segment names what is in scope already.
    pub(crate) inline: Vec<Segments>,
    /// Names of the items that are defined here, other than modules; and whether a path may lead
    /// further into them, as into a type and not into a function.
    pub(crate) items: Vec<(String, bool)>,
    /// Modules that are declared here, with their items if they are in the same file.
    pub(crate) modules: Vec<(String, Option<Vec<Item>>)>,
    /// Something waits here.
    pub(crate) is_async: bool,
}

impl Paths {
    pub(crate) fn of(items: &[Item]) -> Self {
        let mut paths = Self::default();
        for item in items {
            paths.visit_item(item);
        }
        paths
    }

    fn import(&mut self, tree: &UseTree, before: &[String]) {
        let with = |name: String| [before, &[name]].concat();
        match tree {
            UseTree::Path(path) => self.import(&path.tree, &with(path.ident.to_string())),
            UseTree::Name(name) if name.ident == "self" => {
                self.uses.push((before.to_vec(), before.last().cloned().unwrap_or_default()));
            }
            UseTree::Name(name) => {
                self.uses.push((with(name.ident.to_string()), name.ident.to_string()));
            }
            UseTree::Rename(name) => {
                let path = with(name.ident.to_string());
                let path = if name.ident == "self" { before.to_vec() } else { path };
                self.uses.push((path, name.rename.to_string()));
            }
            UseTree::Glob(_) => self.uses.push((with("*".to_owned()), "*".to_owned())),
            UseTree::Group(group) => {
                for tree in &group.items {
                    self.import(tree, before);
                }
            }
        }
    }

    fn add(&mut self, path: &syn::Path) {
        let segments = path.segments.iter().map(|segment| segment.ident.to_string());
        self.inline.extend(Some(segments.collect::<Segments>()).filter(|path| path.len() > 1));
    }

    /// What a macro is given is no syntax tree: identifiers with `::` between them are paths.
    fn scan(&mut self, tokens: TokenStream) {
        let (mut path, mut colons) = (Segments::new(), 0);
        for token in tokens {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == ':' => colons += 1,
                TokenTree::Ident(name) => {
                    self.is_async |= name == "async" || name == "await";
                    if colons != 2 {
                        self.end(&mut path);
                    }
                    path.push(name.to_string());
                    colons = 0;
                }
                token => {
                    self.end(&mut path);
                    colons = 0;
                    if let TokenTree::Group(group) = token {
                        self.scan(group.stream());
                    }
                }
            }
        }
        self.end(&mut path);
    }

    fn end(&mut self, path: &mut Segments) {
        let path = std::mem::take(path);
        self.inline.extend(Some(path).filter(|path| path.len() > 1));
    }
}

impl<'ast> Visit<'ast> for Paths {
    fn visit_item(&mut self, item: &'ast Item) {
        let (attributes, name) = about(item);
        if !attributes.iter().any(is_for_tests) {
            self.items.extend(name);
            visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        let attributes: &[Attribute] = match item {
            ImplItem::Fn(item) => &item.attrs,
            ImplItem::Const(item) => &item.attrs,
            ImplItem::Type(item) => &item.attrs,
            _ => &[],
        };
        if !attributes.iter().any(is_for_tests) {
            visit::visit_impl_item(self, item);
        }
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if !matches!(statement, Stmt::Local(local) if local.attrs.iter().any(is_for_tests)) {
            visit::visit_stmt(self, statement);
        }
    }

    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let items = module.content.as_ref().map(|(_, items)| items.clone());
        self.modules.push((module.ident.to_string(), items));
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        self.import(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        self.add(path);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast Macro) {
        self.scan(call.tokens.clone());
        visit::visit_macro(self, call);
    }

    /// `#[serde(with = "some::path")]` names a path in a text.
    fn visit_attribute(&mut self, attribute: &'ast Attribute) {
        if let Meta::List(list) = &attribute.meta {
            for token in list.tokens.clone() {
                let TokenTree::Literal(literal) = token else { continue };
                if let Ok(path) = syn::parse_str::<syn::LitStr>(&literal.to_string())
                    .and_then(|text| text.parse::<syn::Path>())
                {
                    self.add(&path);
                }
            }
            self.scan(list.tokens.clone());
        }
        visit::visit_attribute(self, attribute);
    }

    /// Who may see an item is no import.
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_signature(&mut self, signature: &'ast Signature) {
        self.is_async |= signature.asyncness.is_some();
        visit::visit_signature(self, signature);
    }

    fn visit_expr_async(&mut self, block: &'ast ExprAsync) {
        self.is_async = true;
        visit::visit_expr_async(self, block);
    }

    fn visit_expr_await(&mut self, wait: &'ast ExprAwait) {
        self.is_async = true;
        visit::visit_expr_await(self, wait);
    }

    fn visit_expr_closure(&mut self, closure: &'ast ExprClosure) {
        self.is_async |= closure.asyncness.is_some();
        visit::visit_expr_closure(self, closure);
    }
}

/// An item's attributes, and its name if it is one that paths lead to; and whether they may lead
/// further.
fn about(item: &Item) -> (&[Attribute], Option<(String, bool)>) {
    macro_rules! about {
        ($($kind:ident)*; $($value:ident)*; $($other:ident)*) => {
            match item {
                $(Item::$kind(item) => (&item.attrs, Some((item.ident.to_string(), true))),)*
                $(Item::$value(item) => (&item.attrs, Some((item.ident.to_string(), false))),)*
                $(Item::$other(item) => (&item.attrs, None),)*
                Item::Fn(item) => (&item.attrs, Some((item.sig.ident.to_string(), false))),
                Item::Macro(item) => {
                    (&item.attrs, item.ident.as_ref().map(|name| (name.to_string(), false)))
                }
                _ => (&[], None),
            }
        };
    }
    about!(Enum Struct Trait Type Union; Const Static; Impl Mod Use)
}

fn is_for_tests(attribute: &Attribute) -> bool {
    attribute.path().is_ident("cfg")
        && matches!(&attribute.meta, Meta::List(list) if list.tokens.to_string() == "test")
}
