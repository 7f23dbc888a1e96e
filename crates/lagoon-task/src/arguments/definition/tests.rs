use async_graphql_parser::types::{
    BaseType, DocumentOperations, Selection, ServiceDocument, Type, TypeKind, TypeSystemDefinition,
};
use async_graphql_parser::{parse_query, parse_schema};
use async_graphql_value::ConstValue as Value;
use proptest::prelude::*;

use std::ops::RangeInclusive;

use super::*;

/// What of Lagoon's GraphQL schema concerns the definition of a task, written down from its API.
const SCHEMA: &str = "
    enum AdvancedTaskDefinitionArgumentTypes { NUMERIC STRING ENVIRONMENT_SOURCE_NAME ENVIRONMENT_SOURCE_NAME_EXCLUDE_SELF }
    enum AdvancedTaskDefinitionTypes { COMMAND IMAGE }
    enum TaskPermission { MAINTAINER DEVELOPER GUEST }
    input AdvancedTaskDefinitionArgumentInput {
        name: String
        type: AdvancedTaskDefinitionArgumentTypes
        displayName: String
        defaultValue: String
        optional: Boolean
    }
    input AdvancedTaskDefinitionInput {
        name: String
        description: String
        image: String
        type: AdvancedTaskDefinitionTypes
        service: String
        command: String
        environment: Int
        project: Int
        groupName: String
        permission: TaskPermission
        advancedTaskDefinitionArguments: [AdvancedTaskDefinitionArgumentInput]
        confirmationText: String
        deployTokenInjection: Boolean
        projectKeyInjection: Boolean
        adminOnlyView: Boolean
        systemWide: Boolean
    }
    type AdvancedTaskDefinitionImage { id: Int name: String }
    type AdvancedTaskDefinitionCommand { id: Int name: String }
    union AdvancedTaskDefinition = AdvancedTaskDefinitionImage | AdvancedTaskDefinitionCommand
    type Query { unused: Int }
    type Mutation { addAdvancedTaskDefinition(input: AdvancedTaskDefinitionInput!): AdvancedTaskDefinition }
";

fn kind<'schema>(schema: &'schema ServiceDocument, name: &str) -> &'schema TypeKind {
    let mut types = schema.definitions.iter().filter_map(|definition| match definition {
        TypeSystemDefinition::Type(definition) if definition.node.name.node == name => Some(&definition.node.kind),
        _ => None,
    });
    types.next().unwrap_or_else(|| panic!("{name} is no type"))
}

/// Whether the schema takes a value where it has this type.
fn takes(schema: &ServiceDocument, expected: &Type, value: &Value) -> Result<(), String> {
    let refused = || Err(format!("{value} is no {expected}"));
    match (&expected.base, value) {
        (_, Value::Null) if expected.nullable => Ok(()),
        (BaseType::List(item), Value::List(items)) => items.iter().try_for_each(|value| takes(schema, item, value)),
        (BaseType::Named(name), value) => match (name.as_str(), value) {
            ("String", Value::String(_)) | ("Boolean", Value::Boolean(_)) => Ok(()),
            ("Int", Value::Number(number)) if number.as_i64().is_some_and(|id| i32::try_from(id).is_ok()) => Ok(()),
            ("String" | "Boolean" | "Int", _) => refused(),
            (name, value) => match (kind(schema, name), value) {
                (TypeKind::Enum(known), Value::Enum(value)) => {
                    let is_known = known.values.iter().any(|known| known.node.value.node == *value);
                    if is_known { Ok(()) } else { refused() }
                }
                (TypeKind::InputObject(known), Value::Object(fields)) => fields.iter().try_for_each(|(name, value)| {
                    let field = known.fields.iter().find(|field| field.node.name.node == *name);
                    takes(schema, &field.ok_or(format!("{expected} has no {name}"))?.node.ty.node, value)
                }),
                _ => refused(),
            },
        },
        _ => refused(),
    }
}

/// The input of a mutation, after a real GraphQL parser has read it and it has been held against the schema.
fn checked(mutation: &str) -> Result<Vec<(String, Value)>, String> {
    let schema = parse_schema(SCHEMA).map_err(|error| error.to_string())?;
    let document = parse_query(mutation).map_err(|error| error.to_string())?;
    let DocumentOperations::Single(operation) = document.operations else { return Err("several".to_owned()) };
    let selected = &operation.node.selection_set.node.items;
    let [Selection::Field(field)] = &selected.iter().map(|item| item.node.clone()).collect::<Vec<_>>()[..] else {
        return Err("more than a field".to_owned());
    };
    let TypeKind::Object(mutations) = kind(&schema, "Mutation") else { return Err("no mutations".to_owned()) };
    let known = mutations.fields.iter().find(|known| known.node.name == field.node.name).ok_or("no such mutation")?;
    let [(name, input)] = &field.node.arguments[..] else { return Err("not one argument".to_owned()) };
    assert_eq!(name.node, known.node.arguments[0].node.name.node);
    let input = input.node.clone().into_const().ok_or("variables")?;
    takes(&schema, &known.node.arguments[0].node.ty.node, &input)?;
    let Value::Object(fields) = input else { return Err("no object".to_owned()) };
    Ok(fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect())
}

fn input(mutation: &str) -> Vec<(String, Value)> {
    checked(mutation).unwrap_or_else(|error| panic!("{error}: {mutation}"))
}

fn value(mutation: &str, name: &str) -> Value {
    input(mutation).into_iter().find(|(field, _)| field == name).unwrap_or_else(|| panic!("{name}: {mutation}")).1
}

fn text_of(mutation: &str, name: &str) -> String {
    let Value::String(text) = value(mutation, name) else { panic!("{name} is no text: {mutation}") };
    text
}

fn target(words: &[&str]) -> Result<Target, DefinitionError> {
    Target::parse(&words.iter().map(OsString::from).collect::<Vec<_>>())
}

crate::arguments! {
    struct Chosen {
        _table: String = Argument::string("Table \"x\"").pattern("[a-z_]+", "small letters"),
        _rows: u32 = Argument::numeric("Rows").range(1..=1000).default(100),
        _size: Option<String> = Argument::string("Size").choices(["small", "large"]),
        _from: String = Argument::environment("From"),
        _to: Option<String> = Argument::other_environment("To"),
    }
}

#[test]
fn the_mutation_holds_everything_that_lagoon_asks_for() {
    let definition =
        Definition::new("Copy", "Copies \"rows\".").permission(Permission::Developer).confirmation("Sure?");
    let mutation =
        definition.mutation::<Chosen>(&target(&["r.example.com/copy:1", "--project", "42"]).unwrap()).unwrap();
    let expected = r#"mutation {
  addAdvancedTaskDefinition(input: {
    name: "Copy"
    description: "Copies \"rows\"."
    type: IMAGE
    image: "r.example.com/copy:1"
    project: 42
    permission: DEVELOPER
    deployTokenInjection: true
    projectKeyInjection: false
    confirmationText: "Sure?"
    advancedTaskDefinitionArguments: [
      { name: "_table", displayName: "Table \"x\"", type: STRING, optional: false }
      { name: "_rows", displayName: "Rows (1 to 1000)", type: NUMERIC, optional: false, defaultValue: "100" }
      { name: "_size", displayName: "Size (small, large)", type: STRING, optional: true }
      { name: "_from", displayName: "From", type: ENVIRONMENT_SOURCE_NAME, optional: false }
      { name: "_to", displayName: "To", type: ENVIRONMENT_SOURCE_NAME_EXCLUDE_SELF, optional: true }
    ]
  }) {
    ... on AdvancedTaskDefinitionImage {
      id
      name
    }
  }
}"#;
    assert_eq!(mutation, expected);
    assert_eq!(text_of(&mutation, "description"), "Copies \"rows\".");
    assert!(matches!(value(&mutation, "advancedTaskDefinitionArguments"), Value::List(items) if items.len() == 5));
}

#[test]
fn a_mutation_that_lagoon_would_refuse_is_refused_by_this_test_too() {
    let mutation = Definition::new("Copy", "").mutation::<()>(&Target::default()).unwrap();
    for (right, wrong) in [
        ("permission: MAINTAINER", "permission: OWNER"),
        ("type: IMAGE", "range: 1"),
        ("project: 0", "project: \"0\""),
        ("project: 0", "project: 2147483648"),
        ("{\n    name", "{\n    name: 1\n    x"),
    ] {
        let wrong = mutation.replace(right, wrong);
        assert!(checked(&wrong).is_err(), "{wrong}");
    }
}

#[test]
fn the_token_the_key_and_the_permission_are_as_the_author_says() {
    let plain = Definition::new("a", "b").mutation::<()>(&Target::default()).unwrap();
    assert!(plain.contains("deployTokenInjection: true\n    projectKeyInjection: false\n"), "{plain}");
    assert!(!plain.contains("confirmationText") && !plain.contains("advancedTaskDefinitionArguments"), "{plain}");
    let other = Definition::new("a", "b").without_deploy_token().with_project_key();
    let other = other.mutation::<()>(&Target::default()).unwrap();
    assert!(other.contains("deployTokenInjection: false\n    projectKeyInjection: true\n"), "{other}");
    for (permission, name) in
        [(Permission::Guest, "GUEST"), (Permission::Developer, "DEVELOPER"), (Permission::Maintainer, "MAINTAINER")]
    {
        let mutation = Definition::new("a", "b").permission(permission).mutation::<()>(&Target::default()).unwrap();
        assert_eq!(value(&mutation, "permission").to_string(), name);
    }
}

#[test]
fn the_command_line_names_the_image_and_where_the_task_is_offered() {
    let fields = |words: &[&str]| {
        let mutation = Definition::new("a", "b").mutation::<()>(&target(words).unwrap()).unwrap();
        let places = ["project", "environment", "groupName", "systemWide"];
        let place = input(&mutation).into_iter().find(|(name, _)| places.contains(&name.as_str())).unwrap();
        (text_of(&mutation, "image"), format!("{}: {}", place.0, place.1))
    };
    let placeholder = "PUT-THE-NAME-OF-YOUR-IMAGE-HERE".to_owned();
    assert_eq!(fields(&[]), (placeholder.clone(), "project: 0".to_owned()));
    assert_eq!(fields(&["image"]), ("image".to_owned(), "project: 0".to_owned()));
    assert_eq!(fields(&["--environment", "7", "image"]), ("image".to_owned(), "environment: 7".to_owned()));
    assert_eq!(fields(&["--group", "a \"b\""]), (placeholder.clone(), r#"groupName: "a \"b\"""#.to_owned()));
    assert_eq!(fields(&["--system-wide"]), (placeholder, "systemWide: true".to_owned()));
}

#[test]
fn a_command_line_that_is_not_understood_is_refused() {
    let lines: [&[&str]; 10] = [
        &["--project"],
        &["--project", "shop"],
        &["--project", "-1"],
        &["--project", "0"],
        &["--project", "2147483648"],
        &["--project", "1", "--environment", "2"],
        &["--system-wide", "--system-wide"],
        &["one", "two"],
        &["--unknown"],
        &[""],
    ];
    for line in lines {
        assert_eq!(target(line), Err(DefinitionError::CommandLine), "{line:?}");
    }
}

#[test]
fn what_the_author_has_to_put_right_is_told_instead_of_a_mutation() {
    crate::arguments! {
        struct Wrong {
            _a: u8 = Argument::numeric("A").range(1..=5).default(6),
            _b: String = Argument::string(" ").pattern("(", "wrong"),
            _c: i8 = Argument::numeric("C").range(-5..=5),
            _d: u8 = Argument::numeric("D").range(RangeInclusive::new(5, 1)),
            _e: u8 = Argument::string("E").choices(["1", "many"]),
        }
    }
    let error = Definition::new("", "b").mutation::<Wrong>(&Target::default()).unwrap_err();
    let faults = [
        "it has no name",
        "argument _a: its default 6 is not a whole number from 1 to 5",
        "argument _b: it has no display name",
        "argument _b: its pattern ( is no regular expression",
        "argument _c: Lagoon takes no numbers below zero",
        "argument _d: its range is empty",
        "argument _e: its choice many is never taken",
    ];
    assert_eq!(error, DefinitionError::Faults(faults.map(str::to_owned).to_vec()));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_text_arrives_in_lagoon_as_it_was_written(text in any::<String>(), image in "[^-].{0,20}", group in any::<String>()) {
        let name = format!("x{text}");
        let definition = Definition::new(&name, &text).confirmation(&text);
        let mutation = definition.mutation::<()>(&target(&[&image, "--group", &group]).unwrap()).unwrap();
        for (field, expected) in [("name", &name), ("description", &text), ("confirmationText", &text), ("image", &image), ("groupName", &group)] {
            prop_assert_eq!(&text_of(&mutation, field), expected);
        }
        // The task's output shows it by lines, and escapes what could not be seen.
        prop_assert!(mutation.lines().all(|line| crate::output::escape(line) == line), "{}", mutation);
    }
}
