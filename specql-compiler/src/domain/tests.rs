use crate::{
    Compilation, compile,
    source::{SourceFile, SourceKind, Sources},
};

fn project(domains: &str, entities: &str) -> (Compilation, Vec<String>) {
    let file = |path: &str, text: &str, kind| SourceFile { path: path.to_owned(), text: text.to_owned(), kind };
    let sources = Sources::new(vec![
        file("registry/domain_registry.yaml", domains, SourceKind::Registry),
        file("entities/all.yaml", entities, SourceKind::Entities),
    ]);
    let compilation = compile(&sources);
    let said = compilation.diagnostics.iter().map(|found| {
        let (line, column) = sources.line_column(found.span.file, found.span.start);
        let help = found.help.as_ref().map(|help| format!(" | {help}")).unwrap_or_default();
        format!("{line}:{column} {} {}{help}", found.rule.code, found.message)
    });
    let said = said.collect();
    (compilation, said)
}

const ORDERS: &str = "entity: Order\nschema: sls\nfields: {customer: ref(relations.Customer)}\nactions:\n  - name: act\n    steps: [{insert: sls.Order, values: {customer: null}}]\n---\nentity: Customer\nschema: crm\nfields: {name: text}\n";

#[test]
fn an_alias_stands_for_its_schema_wherever_one_is_named() {
    let domains = "domains: {sales: {aliases: [sls], multi_tenant: true}, crm: {aliases: [relations], multi_tenant: true, description: People}}\n";
    let (compilation, said) = project(domains, ORDERS);
    assert_eq!(said, Vec::<String>::new());
    let schemas: Vec<_> =
        compilation.model.entities.iter().map(|entity| (&*entity.schema, entity.multi_tenant)).collect();
    assert_eq!(schemas, [("crm", true), ("sales", true)]);
    assert_eq!(compilation.model.schemas["crm"], "People");
}

#[test]
fn the_originals_numbers_are_read_and_what_it_says_besides_is_refused() {
    let domains = "domains:\n  '1':\n    name: sales\n    aliases: [sls]\n    multi_tenant: true\n  '2': {name: crm, aliases: [relations], multi_tenant: true}\n";
    let (compilation, said) = project(domains, ORDERS);
    assert_eq!(said, Vec::<String>::new());
    assert!(compilation.model.entities.iter().all(|entity| entity.multi_tenant));

    let (_, said) = project("version: 1.0.0\ndomains: {sales: {subdomains: {'01': {name: core}}}}\n", ORDERS);
    assert!(said.contains(&"1:1 SQ0134 `version` is not supported yet | remove it".to_owned()), "{said:?}");
    assert!(said.contains(&"2:19 SQ0134 `subdomains` is not supported yet | remove it".to_owned()), "{said:?}");
}

#[test]
fn a_schema_that_is_not_listed_is_not_multi_tenant() {
    let (compilation, said) =
        project("domains: {crm: {}}\n", "entity: A\nschema: crm\n---\nentity: B\nschema: elsewhere\n---\nentity: C\n");
    assert_eq!(said, Vec::<String>::new());
    assert!(compilation.model.entities.iter().all(|entity| !entity.multi_tenant));
}

#[test]
fn mistakes_are_shown_where_they_stand() {
    let said = |domains: &str| project(domains, "entity: A\nschema: sales\n").1;
    assert_eq!(
        said("domains: {sales: {multi_tenant: yes}}\n"),
        ["1:33 SQ0131 `multi_tenant` must be `true` or `false`, found a text"]
    );
    assert_eq!(
        said("domains: {sales: {tenant: true}}\n"),
        ["1:19 SQ0132 unknown key `tenant` in a domain | did you mean `tenants`?"]
    );
    assert_eq!(
        said("domain: {sales: {}}\n"),
        ["1:1 SQ0132 unknown key `domain` in the domain registry | did you mean `domains`?"]
    );
    assert_eq!(
        said("domains: {sales: {aliases: [s, crm]}, crm: {aliases: [s]}}\n"),
        [
            "1:32 SQ0151 `crm` stands for a domain already | give one of them another name",
            "1:39 SQ0152 no entity is in the schema `crm`",
            "1:55 SQ0151 `s` stands for a domain already | give one of them another name",
        ]
    );
    assert_eq!(
        said("domains: {sales: {}, jobs: {aliases: [App]}}\n"),
        ["1:22 SQ0137 `jobs` cannot be the name of a schema | it belongs to SpecQL; choose another name"]
    );
}

#[test]
fn a_slip_of_the_pen_does_not_take_the_tenants_away() {
    assert_eq!(
        project("domains: {slaes: {multi_tenant: true}}\n", "entity: A\nschema: sales\n").1,
        [
            "2:9 SQ0153 the domain registry does not list the schema `sales` | did you mean `slaes`? If it is another schema, list it there: `sales: {multi_tenant: false}`",
            "1:11 SQ0152 no entity is in the schema `slaes` | did you mean `sales`?",
        ]
    );
}

#[test]
fn a_row_of_everybodys_does_not_point_to_a_tenants() {
    let domains = "domains: {sales: {multi_tenant: true}}\n";
    let entities = "entity: Order\nschema: sales\nfields: {product: ref(Product)}\n---\nentity: Product\nfields: {last: ref(Order)!}\n";
    assert_eq!(
        project(domains, entities).1,
        [
            "6:16 SQ0150 rows of `Product` belong to no tenant and cannot point to `Order`, whose rows do | make the schema `public` multi-tenant too, or point from `Order` to `Product`"
        ]
    );
}
