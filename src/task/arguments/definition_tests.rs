use apollo_compiler::{ExecutableDocument, Schema};
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

/// The input of a mutation, after a real GraphQL parser has held it against the schema.
fn input(mutation: &str) -> Vec<(String, apollo_compiler::ast::Value)> {
    let schema = Schema::parse_and_validate(SCHEMA, "schema.graphql").unwrap();
    let document = ExecutableDocument::parse_and_validate(&schema, mutation, "mutation.graphql")
        .unwrap_or_else(|errors| panic!("{mutation}\n{errors}"));
    let operation = document.operations.get(None).unwrap();
    let field = operation.selection_set.fields().next().unwrap();
    assert_eq!(field.name, "addAdvancedTaskDefinition");
    let fields = field.argument_by_name("input").unwrap().as_object().unwrap();
    fields.iter().map(|(name, value)| (name.to_string(), (**value).clone())).collect()
}

fn value(mutation: &str, name: &str) -> apollo_compiler::ast::Value {
    input(mutation).into_iter().find(|(field, _)| field == name).unwrap_or_else(|| panic!("{name}: {mutation}")).1
}

fn text_of(mutation: &str, name: &str) -> String {
    value(mutation, name).as_str().unwrap().to_owned()
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
    assert_eq!(value(&mutation, "advancedTaskDefinitionArguments").as_list().unwrap().len(), 5);
}

#[test]
fn a_mutation_that_lagoon_would_refuse_is_refused_by_this_test_too() {
    let schema = Schema::parse_and_validate(SCHEMA, "schema.graphql").unwrap();
    let mutation = Definition::new("Copy", "").mutation::<()>(&Target::default()).unwrap();
    for (right, wrong) in
        [("permission: MAINTAINER", "permission: OWNER"), ("type: IMAGE", "range: 1"), ("project: 0", "project: \"0\"")]
    {
        let wrong = mutation.replace(right, wrong);
        assert!(ExecutableDocument::parse_and_validate(&schema, wrong, "mutation.graphql").is_err(), "{right}");
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
        assert_eq!(value(&mutation, "permission").as_enum().unwrap().as_str(), name);
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
    let lines: [&[&str]; 9] = [
        &["--project"],
        &["--project", "shop"],
        &["--project", "-1"],
        &["--project", "99999999999"],
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
