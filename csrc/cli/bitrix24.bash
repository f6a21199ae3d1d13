# Completion of the command `bitrix24` for bash. Names of methods come from
# the catalogue, without a portal; names of profiles from `bitrix24 login --names`.

_bitrix24_options() {
  local portal='-p --profile --timeout --limits --ca-file -q --quiet -v --verbose'
  case $1 in
    call) echo "-f --format -c --columns --rest $portal" ;;
    list) echo "-f --format -c --columns -n --limit -o --output --checkpoint --rest $portal" ;;
    methods) echo '--names' ;;
    describe) echo '--rest' ;;
    run) echo "--plan $portal" ;;
    check) echo '-q --quiet' ;;
    sandbox) echo '--port --tls -q --quiet' ;;
    login) echo '-p --profile --webhook --oauth --domain --client-id --listen --oauth-url
      --limits --ca-file --no-check --names -q --quiet -v --verbose' ;;
    doctor) echo "$portal" ;;
  esac
  echo '-h --help'
}

_bitrix24() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]}
  local command=${COMP_WORDS[1]}
  local commands='call list methods describe run check sandbox login doctor version help'
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "$commands --help --version" -- "$cur"))
    return
  fi
  case $prev in
    -f|--format) COMPREPLY=($(compgen -W 'json jsonl csv table' -- "$cur")); return ;;
    --limits) COMPREPLY=($(compgen -W 'standard enterprise' -- "$cur")); return ;;
    --rest) COMPREPLY=($(compgen -W '2 3' -- "$cur")); return ;;
    -p|--profile)
      COMPREPLY=($(compgen -W "$(bitrix24 login --names 2>/dev/null)" -- "$cur"))
      return ;;
    -o|--output|--checkpoint|--ca-file) COMPREPLY=($(compgen -f -- "$cur")); return ;;
    -c|--columns|-n|--limit|--timeout|--port|--domain|--client-id|--oauth-url|--listen)
      return ;;
  esac
  case $cur in
    -*) COMPREPLY=($(compgen -W "$(_bitrix24_options "$command")" -- "$cur")); return ;;
  esac
  case $command in
    help) COMPREPLY=($(compgen -W "$commands options" -- "$cur")) ;;
    run|check) COMPREPLY=($(compgen -f -- "$cur")) ;;
    call|list|describe|methods)
      if [ "$COMP_CWORD" -eq 2 ] || [ "$command" = methods ]; then
        COMPREPLY=($(compgen -W "$(bitrix24 methods --names -- "$cur" 2>/dev/null)" -- "$cur"))
      fi ;;
  esac
}

complete -F _bitrix24 bitrix24
