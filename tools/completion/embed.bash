# bash completion of embed: subcommands, options and their values, as `embed completion` lists them.

# The values of option $1 in the table $2: what stands in its second column.
_embed_values()
{
    awk -F '\t' -v name="$1" '{
        split($1, spelling, " ")
        if (spelling[1] == name || spelling[2] == name) { print $2; exit }
    }' <<<"$2"
}

_embed()
{
    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} table values IFS=$' \t\n'

    COMPREPLY=()
    if [ "$COMP_CWORD" -eq 1 ]; then
        COMPREPLY=($(compgen -W "$("$1" completion 2>/dev/null | cut -f 1) --help --version" -- "$word"))
        return
    fi
    table=$("$1" completion "${COMP_WORDS[1]}" 2>/dev/null) || return
    case $word,$before in # --pool=mean arrives as three words
    =,*) word= ;;
    *,=) before=${COMP_WORDS[COMP_CWORD - 2]} ;;
    esac
    values=$(_embed_values "$before" "$table")
    case $values,$word in
    *'|'*) COMPREPLY=($(compgen -W "${values//|/ }" -- "$word")) ;;
    ,-*) COMPREPLY=($(compgen -W "$(cut -f 1 <<<"$table")" -- "$word")) ;;
    esac # the rest are files, by "default"
}
complete -o default -F _embed embed
