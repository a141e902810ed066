# shellcheck shell=bash
# Debian's archive without touching the machine's own apt, for the scripts that source this: the
# mirror is the one that the machine uses already, everything else is in a folder of the caller's.

is_debian() {
    command -v apt-get >/dev/null && grep -qsx 'ID="\{0,1\}debian"\{0,1\}' /etc/os-release
}

# Prints "URI SUITE" for each main archive in the machine's sources. apt reads them for us, in all
# their formats. A suite with a dash or a slash is an overlay: updates, security, backports.
debian_archives() {
    apt-get update --print-uris 2>/dev/null |
        sed -n "s|^'\(.*\)/dists/\([^-/]*\)/\(In\)\{0,1\}Release'.*|\1 \2|p" | awk '!seen[$0]++'
}

# debian_private DIR TYPE URI SUITE: fetches the lists of that archive into DIR and leaves
# DIR/apt.conf, for `apt-get -c DIR/apt.conf`. The hooks go: they write to the machine's caches.
debian_private() {
    local dir=$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg signed=
    [ ! -r "$keyring" ] || signed="[signed-by=$keyring] "
    mkdir -p "$dir/state/lists/partial" "$dir/cache/archives/partial"
    echo "$2 $signed$3 $4 main" >"$dir/sources.list"
    cat >"$dir/apt.conf" <<END
Dir::Etc::SourceList "$dir/sources.list";
Dir::Etc::SourceParts "-";
Dir::State "$dir/state";
Dir::State::status "/var/lib/dpkg/status";
Dir::Cache "$dir/cache";
APT::Sandbox::User "root";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
END
    apt-get -qq -c "$dir/apt.conf" update >"$dir/update.log" 2>&1
}
