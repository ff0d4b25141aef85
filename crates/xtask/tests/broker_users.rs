//! The operators' page says what each broker user may do, as the code has it.

use std::fs;
use std::path::Path;

#[test]
fn the_page_for_operators_has_every_user_s_permissions() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/rabbitmq/README.md");
    let page = fs::read_to_string(page).unwrap();
    for (user, kind) in bus::BROKER_USERS {
        assert!(page.contains(&format!("`{user}`")), "{user} is missing");
        let permissions = kind.permissions();
        for pattern in [permissions.configure, permissions.write, permissions.read] {
            // A bar inside a table's cell is escaped.
            assert!(page.contains(&format!("`{}`", pattern.replace('|', "\\|"))), "{user}: {pattern} is missing");
        }
    }
}
