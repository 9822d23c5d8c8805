# fish completion of embed: subcommands, options and their values, as `embed completion` lists them.

function __embed_table
    set -l words (commandline -opc)
    embed completion $words[2] 2>/dev/null
end

# The values of the option before the cursor; false if it has none to choose from.
function __embed_values
    set -l words (commandline -opc)
    for row in (__embed_table)
        set -l column (string split \t -- $row)
        if contains -- $words[-1] (string split ' ' -- $column[1]); and string match -q '*|*' -- $column[2]
            string split '|' -- $column[2]
            return 0
        end
    end
    return 1
end

function __embed_options
    for row in (__embed_table)
        set -l column (string split \t -- $row)
        for name in (string split ' ' -- $column[1])
            printf '%s\t%s\n' $name $column[3]
        end
    end
end

complete -c embed -n __fish_use_subcommand -f -a '(embed completion)'
complete -c embed -n 'not __fish_use_subcommand; and __embed_values >/dev/null' -f -a '(__embed_values)'
complete -c embed -n 'not __fish_use_subcommand; and not __embed_values >/dev/null' -a '(__embed_options)'
