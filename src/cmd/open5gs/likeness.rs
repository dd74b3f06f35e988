//! Telling a configuration of freeDiameter by its look.

/// Whether a text that is no YAML of Open5GS is a configuration of freeDiameter.
pub fn is_free_diameter(text: &str) -> bool {
    let line = |line: &str| {
        let key = line.split(['=', ' ', '\t']).next().unwrap_or_default();
        let value = line.contains('=') && line.contains('"');
        value
            && ["Identity", "Realm", "ConnectPeer", "ListenOn", "LoadExtension"]
                .iter()
                .any(|known| known.eq_ignore_ascii_case(key))
    };
    text.lines().map(str::trim).any(line)
}
