# SPDX-License-Identifier: LGPL-2.1-or-later
# bash completion of xl, with the options of the commands that it runs from
# its folder of plugins, and the names of domains, regions, or pages.

_xl_plugin_dir=@XL_PLUGIN_DIR@

_xl_with_plugins()
{
    local cur="${COMP_WORDS[COMP_CWORD]}" command="${COMP_WORDS[1]}" words

    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        words=$(xl help 2>/dev/null | sed 1,4d | awk '/^ [^ ]/ { print $1 }')
        mapfile -t COMPREPLY < <(compgen -W "$words" -S ' ' -- "$cur")
        return
    fi

    # Only what is one of ours, and not a path.
    if [[ $command != *[^a-z0-9-]* &&
          -x $_xl_plugin_dir/xl-$command ]]; then
        if [[ $cur == -* ]]; then
            words=$("$_xl_plugin_dir/xl-$command" --help 2>/dev/null |
                    grep -oE -- '--[a-z][a-z-]*=?' | sort -u)
            mapfile -t COMPREPLY < <(compgen -W "$words" -- "$cur")
            [[ ${COMPREPLY[0]} == *= || ${#COMPREPLY[@]} -ne 1 ]] ||
                COMPREPLY=("${COMPREPLY[0]} ")
        elif [[ $cur != */* ]]; then
            case $command in
            region-*) words=$(xl region-list 2>/dev/null) ;;
            page-release) words=$(xl page-list 2>/dev/null) ;;
            page-*) words= ;;
            *) words=$(xl list 2>/dev/null) ;;
            esac
            words=$(awk 'NR > 1 { print $1 }' <<<"$words")
            mapfile -t COMPREPLY < <(compgen -W "$words" -S ' ' -- "$cur")
        fi
    fi
}

complete -F _xl_with_plugins -o nospace -o default xl
