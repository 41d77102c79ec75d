//! Parses `fields.txt` and `event_types.txt`, which define how each field of a document is filled.

use std::collections::HashMap;

/// The parsed mapping.
#[derive(Debug)]
pub(super) struct Table {
    /// The fields, in the order of the document.
    pub(super) rules: Vec<Rule>,
    /// The members of an event that are looked for.
    pub(super) members: Member,
    /// Their names in dot notation, by slot.
    pub(super) names: Vec<String>,
    /// The entries of `event_types.txt`, by type of event.
    pub(super) event_types: HashMap<String, Listed>,
}

/// How one field is filled.
#[derive(Debug)]
pub(super) struct Rule {
    /// The name of the field, in dot notation.
    pub(super) field: String,
    pub(super) kind: Kind,
    pub(super) source: Source,
    /// The condition: the member of this slot must be one of these texts.
    pub(super) when: Option<(usize, Vec<String>)>,
}

/// A field's type in ECS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Date,
    GeoPoint,
    Ip,
    Keyword,
    Long,
    MatchOnlyText,
}

/// From what a field is filled. Members are given by slot.
#[derive(Debug)]
pub(super) enum Source {
    First(Vec<usize>),
    All(Vec<usize>),
    Joined([usize; 2]),
    Point([usize; 2]),
    Outcome(Vec<usize>),
    Listed(Column),
    /// This JSON.
    Constant(String),
    Original,
    Problems,
    Tags,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    Kind,
    Category,
    Type,
}

/// The entry of `event_types.txt` for a type of event, as JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) kind: String,
    pub(super) category: String,
    pub(super) types: String,
}

/// The requirement that fields make on a member. Later variants are stricter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fit {
    #[default]
    Any,
    Text,
    Number,
    Long,
    Ip,
    Date,
}

/// A member that is looked for, or an object that contains one.
#[derive(Debug, Default)]
pub(super) struct Member {
    /// The members below, sorted by length and name.
    below: Vec<(Vec<u8>, Self)>,
    pub(super) slot: Option<usize>,
    pub(super) fit: Fit,
    /// Whether it is listed as a duplicate of ECS fields.
    is_duplicate: bool,
    /// Its name in `jumpcloud.event`, if that is another one.
    pub(super) renamed: Option<String>,
}

impl Member {
    /// The member of this name below this one.
    pub(super) fn get(&self, name: &[u8]) -> Option<&Self> {
        let order = |(known, _): &(Vec<u8>, Self)| (known.len(), &**known).cmp(&(name.len(), name));
        self.below.binary_search_by(order).ok().map(|at| &self.below[at].1)
    }

    /// Whether a value is left out of `jumpcloud.event` because fields contain it. If the member
    /// has members below it, only an object is left out.
    pub(super) fn is_left_out(&self, is_object: bool) -> bool {
        self.is_duplicate && (is_object || self.below.is_empty())
    }

    /// The member at `path`, which is added if it is new.
    fn at(&mut self, path: &str) -> &mut Self {
        path.split('.').fold(self, |member, name| {
            let name = name.as_bytes();
            let order =
                |(known, _): &(Vec<u8>, Self)| (known.len(), &**known).cmp(&(name.len(), name));
            let at = member.below.binary_search_by(order).unwrap_or_else(|at| {
                member.below.insert(at, (name.to_vec(), Self::default()));
                at
            });
            &mut member.below[at].1
        })
    }

    /// Calls `each` with the slots of this member and of those below.
    pub(super) fn for_each_slot(&self, each: &mut dyn FnMut(usize)) {
        if let Some(slot) = self.slot {
            each(slot);
        }
        for (_, member) in &self.below {
            member.for_each_slot(each);
        }
    }
}

impl Table {
    /// Parses the two files.
    pub(super) fn read(fields: &str, event_types: &str) -> Result<Self, String> {
        let mut table = Self {
            rules: Vec::new(),
            members: Member::default(),
            names: Vec::new(),
            event_types: read_event_types(event_types)?,
        };
        let mut section = "";
        for line in lines(fields) {
            if line.starts_with('[') {
                section = line;
                continue;
            }
            match (section, line.split_once(char::is_whitespace)) {
                ("[fields]", Some((field, rest))) => table.add(field, rest.trim())?,
                ("[duplicates]", None) => table.members.at(line).is_duplicate = true,
                ("[renames]", Some((member, name))) => {
                    table.members.at(member).renamed = Some(name.trim().to_owned());
                }
                _ => return Err(format!("no line of {section}: {line}")),
            }
        }
        Ok(table)
    }

    fn add(&mut self, field: &str, rest: &str) -> Result<(), String> {
        let wrong = || format!("cannot be read: {field} {rest}");
        let (kind, source) = rest.split_once(char::is_whitespace).ok_or_else(wrong)?;
        let source = source.trim().trim_end_matches('+').trim_end();
        let kind = Kind::named(kind).ok_or_else(wrong)?;
        let (source, when) = match source.split_once(" when ") {
            Some((source, when)) => {
                let (member, texts) = when.split_once(" is ").ok_or_else(wrong)?;
                (source, Some((self.slot(member, Fit::Any), list(texts))))
            }
            None => (source, None),
        };
        let source = self.source(source, kind).ok_or_else(wrong)?;
        self.rules.push(Rule { field: field.to_owned(), kind, source, when });
        Ok(())
    }

    fn source(&mut self, text: &str, kind: Kind) -> Option<Source> {
        if text.starts_with('"') {
            return Some(Source::Constant(text.to_owned()));
        }
        let Some((name, inner)) = text.strip_suffix(')').and_then(|text| text.split_once('('))
        else {
            return Some(Source::First(self.slots(text, kind.fit())));
        };
        Some(match (name, list(inner).as_slice()) {
            ("all", _) => Source::All(self.slots(inner, kind.fit())),
            ("joined", _) => Source::Joined(self.slots(inner, Fit::Text).try_into().ok()?),
            ("point", _) => Source::Point(self.slots(inner, Fit::Number).try_into().ok()?),
            ("outcome", _) => Source::Outcome(self.slots(inner, Fit::Any)),
            ("listed", [column]) if column == "kind" => Source::Listed(Column::Kind),
            ("listed", [column]) if column == "category" => Source::Listed(Column::Category),
            ("listed", [column]) if column == "type" => Source::Listed(Column::Type),
            ("original", _) => Source::Original,
            ("problems", _) => Source::Problems,
            ("tags", _) => Source::Tags,
            _ => return None,
        })
    }

    fn slots(&mut self, members: &str, fit: Fit) -> Vec<usize> {
        list(members).iter().map(|member| self.slot(member, fit)).collect()
    }

    /// The slot of a member, whose requirement becomes at least `fit`.
    fn slot(&mut self, path: &str, fit: Fit) -> usize {
        let member = self.members.at(path);
        member.fit = member.fit.max(fit);
        *member.slot.get_or_insert_with(|| {
            self.names.push(path.to_owned());
            self.names.len() - 1
        })
    }

    /// The names of the members at the top of documents, without those that depend on settings or
    /// on an error.
    pub(super) fn top_level(&self) -> impl Iterator<Item = &str> {
        let is_always = |rule: &&Rule| !matches!(rule.source, Source::Tags | Source::Problems);
        let rules = self.rules.iter().filter(is_always);
        rules.map(|rule| rule.field.split_once('.').map_or(&*rule.field, |(first, _)| first))
    }
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        Some(match name {
            "date" => Self::Date,
            "geo_point" => Self::GeoPoint,
            "ip" => Self::Ip,
            "keyword" => Self::Keyword,
            "long" => Self::Long,
            "match_only_text" => Self::MatchOnlyText,
            _ => return None,
        })
    }

    /// The requirement of a field of this type on a member.
    fn fit(self) -> Fit {
        match self {
            Self::Date => Fit::Date,
            Self::GeoPoint => Fit::Number,
            Self::Ip => Fit::Ip,
            Self::Keyword | Self::MatchOnlyText => Fit::Text,
            Self::Long => Fit::Long,
        }
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn list(text: &str) -> Vec<String> {
    text.split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()).collect()
}

fn read_event_types(text: &str) -> Result<HashMap<String, Listed>, String> {
    let mut found = HashMap::new();
    let mut listed = None;
    for line in lines(text) {
        if let Some((head, _reason)) = line.strip_prefix('[').and_then(|line| line.split_once(']'))
        {
            let columns: Vec<_> = head.split(':').map(list).collect();
            let (category, types, kind) = match columns.as_slice() {
                [category, types] => (category, types, "event"),
                [category, types, kind] => (category, types, kind.first().map_or("", |kind| kind)),
                _ => return Err(format!("no group of event types: {line}")),
            };
            let json = |names: &Vec<String>| format!(r#"["{}"]"#, names.join(r#"",""#));
            let kind = format!(r#""{kind}""#);
            listed = Some(Listed { kind, category: json(category), types: json(types) });
        } else {
            let listed = listed.clone().ok_or_else(|| format!("in no group: {line}"))?;
            if found.insert(line.to_owned(), listed).is_some() {
                return Err(format!("twice: {line}"));
            }
        }
    }
    Ok(found)
}
