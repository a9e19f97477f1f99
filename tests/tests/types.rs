//! Every type of the language through generated code: what a typed action is given, its result, the view and `FromRow`
//! hold alike; NULL too; and `None` in an update empties every field.

use serde::de::DeserializeOwned;
use specql_runtime::{ActionError, testing::TestDatabase, value};

specql_macros::specql!("types");

type Tested = Result<(), Box<dyn std::error::Error>>;

/// A value of a Rust type from its JSON form.
fn of<T: DeserializeOwned>(json: &str) -> T {
    serde_json::from_str(json).unwrap_or_else(|error| panic!("{json}: {error}"))
}

fn object<const N: usize>(members: [(&str, value::Json); N]) -> value::Json {
    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn from_json<T: DeserializeOwned>(json: &value::Json) -> T {
    serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("{json}: {error}"))
}

/// In one spelling what has several: Rust's crates write a timestamp with `Z` and other digits, a host with its `/32` and a MAC address
/// in capitals.
fn spelt(json: value::Json) -> value::Json {
    match json {
        value::Json::Object(members) => members.into_iter().map(|(name, value)| (name, spelt(value))).collect(),
        value::Json::Array(items) => items.into_iter().map(spelt).collect(),
        value::Json::String(text) => value::Json::String(match text.parse::<value::Timestamp>() {
            Ok(at) => at.to_rfc3339(),
            Err(_) if text.parse::<value::MacAddress>().is_ok() => text.to_lowercase(),
            Err(_) => text.strip_suffix("/32").unwrap_or(&text).to_owned(),
        }),
        other => other,
    }
}

macro_rules! round_trip {
    ($module:ident, $create:ident, $Create:ident, $update:ident, $Update:ident, $Row:ident; $($field:ident = $json:literal,)+) => {{
        let db = TestDatabase::migrated(&PROJECT).await?;
        let view = concat!("SELECT id, data FROM everything.v_", stringify!($module), " WHERE id = $1");
        let input = actions::$module::$Create::builder()$(.$field(of($json)))+.build();
        let given = object([$((stringify!($field), of($json))),+]);
        let answered: value::Json =
            sqlx::query_scalar(concat!("SELECT object_data FROM app.", stringify!($create), "(NULL, NULL, $1)"))
                .bind(&given)
                .fetch_one(db.pool())
                .await?;
        assert_eq!(from_json::<actions::$module::$Create>(&given), input, "the JSON that the wrapper takes");
        let written = serde_json::to_value(&input)?;
        assert_eq!(from_json::<actions::$module::$Create>(&written), input, "what it writes it reads");
        let row: entities::$Row = from_json(&answered);
        assert_eq!(spelt(serde_json::to_value(&row)?), spelt(answered), "the row as it was answered");
        let row = actions::$module::$create(input).send(&*db).await?.row.expect("the row");
        $(assert_eq!(row.$field, Some(of($json)), stringify!($field));)+
        let read: entities::$Row = sqlx::query_as(view).bind(row.id).fetch_one(db.pool()).await?;
        assert_eq!(read, row);

        let update = actions::$module::$Update::builder().id(row.id)$(.$field(None))+.build();
        let mut empties = object([$((stringify!($field), value::Json::Null)),+]);
        empties["id"] = serde_json::json!(row.id);
        assert_eq!(from_json::<actions::$module::$Update>(&empties), update);
        let mut changes = given;
        changes["id"] = serde_json::json!(row.id);
        let changed = actions::$module::$Update::builder().id(row.id)$(.$field(Some(of($json))))+.build();
        assert_eq!(from_json::<actions::$module::$Update>(&changes), changed);
        let row = actions::$module::$update(update).send(&*db).await?.row.expect("the row");
        $(assert_eq!(row.$field, None, stringify!($field));)+

        let nothing = actions::$module::$Create::builder().build();
        let row = actions::$module::$create(nothing).send(&*db).await?.row.expect("the row");
        $(assert_eq!(row.$field, None, stringify!($field));)+
        let read: entities::$Row = sqlx::query_as(view).bind(row.id).fetch_one(db.pool()).await?;
        assert_eq!(read, row);
    }};
}

#[tokio::test]
async fn every_basic_and_scalar_type_comes_back_as_it_was_given() -> Tested {
    round_trip! {
        single, create_single, CreateSingle, update_single, UpdateSingle, Single;
        integer = r#"-7"#,
        bigint = r#"9007199254740993"#,
        float = r#"0.1"#,
        boolean = r#"true"#,
        decimal = r#""12345678901234567890.12""#,
        decimal_of = r#""1.125""#,
        timestamp = r#""2026-01-31T12:00:00.123456Z""#,
        json = r#"{"a": [1, null, "x"]}"#,
        choice = r#""dark-blue""#,
        phone = r#""+493012345678""#,
        datetime = r#""2026-01-31T12:00:00Z""#,
        jsonb = r#"[1, 2]"#,
        email = r#""ada@example.eu""#,
        phone_number = r#""+493012345678""#,
        url = r#""https://example.eu/a""#,
        slug = r#""spring-sale-2026""#,
        color = r##""#1a2b3c""##,
        language_code = r#""en""#,
        locale_code = r#""de-CH""#,
        timezone = r#""Europe/Berlin""#,
        currency_code = r#""EUR""#,
        country_code = r#""DE""#,
        mime_type = r#""application/json""#,
        semantic_version = r#""1.4.0""#,
        stock_symbol = r#""AAPL""#,
        isin = r#""US0378331005""#,
        cusip = r#""037833100""#,
        sedol = r#""0263494""#,
        lei = r#""HWUPKR0MPOU8FGXBT394""#,
        mic = r#""XETR""#,
        exchange_code = r#""NYSE""#,
        tracking_number = r#""1Z999AA10123456784""#,
        container_number = r#""CSQU3054383""#,
        license_plate = r#""B-AB 1234""#,
        vin = r#""1HGCM82633A004352""#,
        flight_number = r#""LH400""#,
        port_code = r#""DEHAM""#,
        postal_code = r#""10115""#,
        airport_code = r#""BER""#,
        domain_name = r#""shop.example.eu""#,
        api_key = r#""key_0123456789abcdef""#,
        hash_sha256 = r#""9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08""#,
        iban = r#""DE89370400440532013000""#,
        swift_code = r#""DEUTDEFF""#,
        markdown = r##""# Title""##,
        html = r#""<p>Text</p>""#,
        image = r#""images/a.png""#,
        file = r#""files/a.pdf""#,
        ip_address = r#""192.0.2.17""#,
        mac_address = r#""08:00:2b:01:02:03""#,
        uuid = r#""018f3f6e-7b0a-7c3e-9d7e-0123456789ab""#,
        coordinates = r#"{"x":13.4,"y":52.5}"#,
        date = r#""2026-01-31""#,
        time = r#""14:30:00""#,
        duration = r#""P1DT2H""#,
        money = r#""19.99""#,
        percentage = r#""12.5""#,
        latitude = r#""52.5163""#,
        longitude = r#""13.3777""#,
        exchange_rate = r#""1.08350000""#,
    }
    Ok(())
}

#[tokio::test]
async fn lists_of_every_basic_and_scalar_type_come_back_as_they_were_given() -> Tested {
    round_trip! {
        multiple, create_multiple, CreateMultiple, update_multiple, UpdateMultiple, Multiple;
        text = r#"["say \"hi\" é","say \"hi\" é"]"#,
        integer = r#"[-7,-7]"#,
        bigint = r#"[9007199254740993,9007199254740993]"#,
        float = r#"[0.1,0.1]"#,
        boolean = r#"[true,true]"#,
        decimal = r#"["12345678901234567890.12","12345678901234567890.12"]"#,
        decimal_of = r#"["1.125","1.125"]"#,
        timestamp = r#"["2026-01-31T12:00:00.123456Z","2026-01-31T12:00:00.123456Z"]"#,
        json = r#"[{"a": [1, null, "x"]},{"a": [1, null, "x"]}]"#,
        choice = r#"["dark-blue","dark-blue"]"#,
        phone = r#"["+493012345678","+493012345678"]"#,
        datetime = r#"["2026-01-31T12:00:00Z","2026-01-31T12:00:00Z"]"#,
        jsonb = r#"[[1, 2],[1, 2]]"#,
        email = r#"["ada@example.eu","ada@example.eu"]"#,
        phone_number = r#"["+493012345678","+493012345678"]"#,
        url = r#"["https://example.eu/a","https://example.eu/a"]"#,
        slug = r#"["spring-sale-2026","spring-sale-2026"]"#,
        color = r##"["#1a2b3c","#1a2b3c"]"##,
        language_code = r#"["en","en"]"#,
        locale_code = r#"["de-CH","de-CH"]"#,
        timezone = r#"["Europe/Berlin","Europe/Berlin"]"#,
        currency_code = r#"["EUR","EUR"]"#,
        country_code = r#"["DE","DE"]"#,
        mime_type = r#"["application/json","application/json"]"#,
        semantic_version = r#"["1.4.0","1.4.0"]"#,
        stock_symbol = r#"["AAPL","AAPL"]"#,
        isin = r#"["US0378331005","US0378331005"]"#,
        cusip = r#"["037833100","037833100"]"#,
        sedol = r#"["0263494","0263494"]"#,
        lei = r#"["HWUPKR0MPOU8FGXBT394","HWUPKR0MPOU8FGXBT394"]"#,
        mic = r#"["XETR","XETR"]"#,
        exchange_code = r#"["NYSE","NYSE"]"#,
        tracking_number = r#"["1Z999AA10123456784","1Z999AA10123456784"]"#,
        container_number = r#"["CSQU3054383","CSQU3054383"]"#,
        license_plate = r#"["B-AB 1234","B-AB 1234"]"#,
        vin = r#"["1HGCM82633A004352","1HGCM82633A004352"]"#,
        flight_number = r#"["LH400","LH400"]"#,
        port_code = r#"["DEHAM","DEHAM"]"#,
        postal_code = r#"["10115","10115"]"#,
        airport_code = r#"["BER","BER"]"#,
        domain_name = r#"["shop.example.eu","shop.example.eu"]"#,
        api_key = r#"["key_0123456789abcdef","key_0123456789abcdef"]"#,
        hash_sha256 = r#"["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08","9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"]"#,
        iban = r#"["DE89370400440532013000","DE89370400440532013000"]"#,
        swift_code = r#"["DEUTDEFF","DEUTDEFF"]"#,
        markdown = r##"["# Title","# Title"]"##,
        html = r#"["<p>Text</p>","<p>Text</p>"]"#,
        image = r#"["images/a.png","images/a.png"]"#,
        file = r#"["files/a.pdf","files/a.pdf"]"#,
        ip_address = r#"["192.0.2.17","192.0.2.17"]"#,
        mac_address = r#"["08:00:2b:01:02:03","08:00:2b:01:02:03"]"#,
        uuid = r#"["018f3f6e-7b0a-7c3e-9d7e-0123456789ab","018f3f6e-7b0a-7c3e-9d7e-0123456789ab"]"#,
        coordinates = r#"[{"x":13.4,"y":52.5},{"x":13.4,"y":52.5}]"#,
        date = r#"["2026-01-31","2026-01-31"]"#,
        time = r#"["14:30:00","14:30:00"]"#,
        duration = r#"["P1DT2H","P1DT2H"]"#,
        money = r#"["19.99","19.99"]"#,
        percentage = r#"["12.5","12.5"]"#,
        latitude = r#"["52.5163","52.5163"]"#,
        longitude = r#"["13.3777","13.3777"]"#,
        exchange_rate = r#"["1.08350000","1.08350000"]"#,
        matrix = r#"[[1,2],[],[3]]"#,
        cube = r#"[[["a"],[]],[]]"#,
        palettes = r#"[["red"],["green","red"]]"#,
    }
    Ok(())
}

#[tokio::test]
async fn every_composite_comes_back_as_it_was_given() -> Tested {
    round_trip! {
        structured, create_structured, CreateStructured, update_structured, UpdateStructured, Structured;
        simple_address = r#"{"street":"Invalidenstr. 1","city":"Berlin","state":"BE","zipCode":"10115","country":"DE"}"#,
        money_amount = r#"{"amount":"19.99","currency":"EUR"}"#,
        person_name = r#"{"firstName":"Ada","lastName":"Lovelace","prefix":"Lady"}"#,
        contact_info = r#"{"email":"ada@example.eu","phone":"+493012345678"}"#,
        coordinates = r#"{"latitude":"52.5163","longitude":"13.3777","altitude":34.5}"#,
        time_range = r#"{"start":"09:00:00","end":"17:30:00"}"#,
        date_range = r#"{"start":"2026-01-01","end":"2026-12-31"}"#,
        phone_number = r#"{"number":"+493012345678","extension":"12","type":"work"}"#,
        email_address = r#"{"address":"ada@example.eu","verified":true}"#,
        url = r#"{"url":"https://example.eu/a","title":"A"}"#,
        color = r##"{"hex":"#1a2b3c","name":"night"}"##,
        dimensions = r#"{"length":30.5,"width":20.0,"height":0.25,"unit":"cm"}"#,
        business_hours = r#"{"timezone":"Europe/Berlin","monday":[{"start":"09:00:00","end":"12:00:00"},{"start":"13:00:00","end":"17:30:00"}],"sunday":[]}"#,
        contact = r#"{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"ada@example.eu","role":"programmer"}"#,
        company = r#"{"name":"Engines","website":"https://example.eu/a","address":{"street":"Invalidenstr. 1","city":"Berlin","state":"BE","zipCode":"10115"}}"#,
        geo_location = r#"{"coordinates":{"latitude":"52.5163","longitude":"13.3777"},"name":"Office"}"#,
        currency_exchange = r#"{"from":"EUR","to":"USD","rate":"1.0835","date":"2026-01-31"}"#,
    }
    Ok(())
}

#[tokio::test]
async fn lists_of_every_composite_come_back_as_they_were_given() -> Tested {
    round_trip! {
        structures, create_structures, CreateStructures, update_structures, UpdateStructures, Structures;
        simple_address = r#"[{"street":"Invalidenstr. 1","city":"Berlin","state":"BE","zipCode":"10115","country":"DE"},{"street":"Invalidenstr. 1","city":"Berlin","state":"BE","zipCode":"10115","country":"DE"}]"#,
        money_amount = r#"[{"amount":"19.99","currency":"EUR"},{"amount":"19.99","currency":"EUR"}]"#,
        person_name = r#"[{"firstName":"Ada","lastName":"Lovelace","prefix":"Lady"},{"firstName":"Ada","lastName":"Lovelace","prefix":"Lady"}]"#,
        contact_info = r#"[{"email":"ada@example.eu","phone":"+493012345678"},{"email":"ada@example.eu","phone":"+493012345678"}]"#,
        coordinates = r#"[{"latitude":"52.5163","longitude":"13.3777","altitude":34.5},{"latitude":"52.5163","longitude":"13.3777","altitude":34.5}]"#,
        time_range = r#"[{"start":"09:00:00","end":"17:30:00"},{"start":"09:00:00","end":"17:30:00"}]"#,
        date_range = r#"[{"start":"2026-01-01","end":"2026-12-31"},{"start":"2026-01-01","end":"2026-12-31"}]"#,
        phone_number = r#"[{"number":"+493012345678","extension":"12","type":"work"},{"number":"+493012345678","extension":"12","type":"work"}]"#,
        email_address = r#"[{"address":"ada@example.eu","verified":true},{"address":"ada@example.eu","verified":true}]"#,
        url = r#"[{"url":"https://example.eu/a","title":"A"},{"url":"https://example.eu/a","title":"A"}]"#,
        color = r##"[{"hex":"#1a2b3c","name":"night"},{"hex":"#1a2b3c","name":"night"}]"##,
        dimensions = r#"[{"length":30.5,"width":20.0,"height":0.25,"unit":"cm"},{"length":30.5,"width":20.0,"height":0.25,"unit":"cm"}]"#,
        business_hours = r#"[{"timezone":"Europe/Berlin","monday":[{"start":"09:00:00","end":"12:00:00"},{"start":"13:00:00","end":"17:30:00"}],"sunday":[]},{"timezone":"Europe/Berlin","monday":[{"start":"09:00:00","end":"12:00:00"},{"start":"13:00:00","end":"17:30:00"}],"sunday":[]}]"#,
        contact = r#"[{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"ada@example.eu","role":"programmer"},{"name":{"firstName":"Ada","lastName":"Lovelace"},"email":"ada@example.eu","role":"programmer"}]"#,
        company = r#"[{"name":"Engines","website":"https://example.eu/a","address":{"street":"Invalidenstr. 1","city":"Berlin","state":"BE","zipCode":"10115"}},{"name":"Engines","website":"https://example.eu/a","address":{"street":"Invalidenstr. 1","city":"Berlin","state":"BE","zipCode":"10115"}}]"#,
        geo_location = r#"[{"coordinates":{"latitude":"52.5163","longitude":"13.3777"},"name":"Office"},{"coordinates":{"latitude":"52.5163","longitude":"13.3777"},"name":"Office"}]"#,
        currency_exchange = r#"[{"from":"EUR","to":"USD","rate":"1.0835","date":"2026-01-31"},{"from":"EUR","to":"USD","rate":"1.0835","date":"2026-01-31"}]"#,
    }
    Ok(())
}

#[tokio::test]
async fn composites_are_built_by_name_and_a_bad_one_leaves_no_row() -> Tested {
    let db = TestDatabase::migrated(&PROJECT).await?;
    let address = composites::SimpleAddress::builder()
        .street("Invalidenstr. 1")
        .city("Berlin")
        .state("BE")
        .zip_code("10115".parse()?)
        .build();
    let price = composites::MoneyAmount::builder().amount("-1".parse()?).currency("EUR".parse()?).build();
    let input = || actions::structured::CreateStructured::builder().simple_address(address.clone());
    let row = actions::structured::create_structured(input().build()).send(&*db).await?.row.expect("the row");
    assert_eq!(row.simple_address, Some(address.clone()));

    // Rust's Decimal has no range; the database has.
    match actions::structured::create_structured(input().money_amount(price).build()).send(&*db).await {
        Err(ActionError::Validation { code, .. }) => assert_eq!(code, "invalid_money_amount"),
        other => panic!("{other:?}"),
    }
    let rows: i64 = sqlx::query_scalar("SELECT count(*) FROM everything.tb_structured").fetch_one(db.pool()).await?;
    assert_eq!(rows, 1);
    Ok(())
}

#[test]
fn an_unknown_member_of_a_composite_is_refused_as_in_the_database() {
    let input = |planet: &str| {
        let text = format!(
            r#"{{"simple_address": {{"street": "a", "city": "b", "state": "c", "zipCode": "10115"{planet}}}}}"#
        );
        serde_json::from_str::<actions::structured::CreateStructured>(&text)
    };
    assert!(input("").is_ok());
    assert!(input(r#", "planet": "Earth""#).unwrap_err().to_string().starts_with("unknown field `planet`"));
}

#[tokio::test]
async fn columns_hold_the_rust_types_of_their_scalars() -> Tested {
    let db = TestDatabase::migrated(&PROJECT).await?;
    let lasts = value::Duration { months: 14, days: -3, microseconds: 3_600_500_000 };
    let at = value::Point { x: 13.4, y: 52.5 };
    sqlx::query(
        "INSERT INTO everything.tb_single (duration, coordinates, ip_address, mac_address, time, email)
         VALUES ($1, $2, $3, $4, $5, $6)",
    )
    .bind(lasts)
    .bind(at)
    .bind("192.0.2.0/24".parse::<value::IpNetwork>()?)
    .bind("08:00:2b:01:02:03".parse::<value::MacAddress>()?)
    .bind("14:30:00.5".parse::<value::Time>()?)
    .bind("ada@example.eu".parse::<value::Email>()?)
    .execute(db.pool())
    .await?;
    // The form in JSON does not depend on the session.
    let mut connection = db.pool().acquire().await?;
    sqlx::query("SET intervalstyle = postgres_verbose").execute(&mut *connection).await?;
    let view = sqlx::query_as("SELECT data FROM everything.v_single");
    let row: entities::Single = view.fetch_one(&mut *connection).await?;
    assert_eq!((row.duration, row.coordinates), (Some(lasts), Some(at)));
    assert_eq!(row.ip_address, Some("192.0.2.0/24".parse()?));
    assert_eq!(row.mac_address, Some("08:00:2b:01:02:03".parse()?));
    assert_eq!(row.time, Some("14:30:00.5".parse()?));
    let read: (value::Duration, value::Point) =
        sqlx::query_as("SELECT duration, coordinates FROM everything.tb_single").fetch_one(db.pool()).await?;
    assert_eq!(read, (lasts, at));
    Ok(())
}
