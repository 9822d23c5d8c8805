#compdef embed
# zsh completion of embed: subcommands, options and their values, as `embed completion` lists them.

_embed() {
    setopt localoptions extendedglob
    local program=$words[1] subcommand=$words[2] row about action name
    local -a rows column spellings specs

    if (( CURRENT == 2 )); then
        rows=(${(f)"$($program completion 2>/dev/null)"})
        rows=(${rows//$'\t'/:})
        _describe subcommand rows
        return
    fi
    for row in ${(f)"$($program completion $subcommand 2>/dev/null)"}; do
        column=("${(@ps:\t:)row}")
        spellings=(${=column[1]})
        about=${column[3]//(#m)[][:\\]/\\$MATCH}
        case $column[2] in
        '') action= ;;
        *\|*) action=":$spellings[-1]:(${column[2]//\|/ })" ;;
        FILE|DIR) action=":$column[2]:_files" ;;
        *) action=":$column[2]: " ;;
        esac
        for name in $spellings; do
            [[ -n $action ]] && case $name in
            --*) name+== ;;
            *) name+=+ ;;
            esac
            specs+=("($spellings)${name}[$about]$action")
        done
    done
    shift words
    (( CURRENT-- ))
    _arguments -s $specs '*:input:_files'
}

_embed "$@"
