#compdef bitrix24
# Completion of the command `bitrix24` for zsh: installed as _bitrix24 in a
# folder of $fpath. Names of methods come from the catalogue, without a portal.

_bitrix24_methods() {
  local -a names
  names=(${(f)"$(bitrix24 methods --names -- "$PREFIX" 2>/dev/null)"})
  compadd -a names
}

_bitrix24_profiles() {
  local -a names
  names=(${(f)"$(bitrix24 login --names 2>/dev/null)"})
  compadd -a names
}

_bitrix24() {
  local -a commands portal rest format
  commands=(
    'call:call a method and print its result'
    'list:fetch every record of a list'
    'methods:find methods by words'
    'describe:show what a method takes and returns'
    'run:run a Lua script on a portal'
    'check:find mistakes in scripts without running them'
    'sandbox:start a portal on this machine, to try things out'
    'login:store the address or authorization of a portal'
    'doctor:check the connection and say what to do'
    'version:print the version'
    'help:explain a command'
  )
  portal=(
    '(-p --profile)'{-p,--profile}'[a profile of bitrix24 login]:name:_bitrix24_profiles'
    '--timeout[for a request]:seconds:'
    '--limits[of the plan]:tariff:(standard enterprise)'
    "--ca-file[the authority that signed the certificate]:file:_files"
    '(-q --quiet)'{-q,--quiet}'[no progress, no notes]'
    '(-v --verbose)'{-v,--verbose}'[tell of every request]'
  )
  rest='--rest[version of the API]:version:(2 3)'
  format=(
    '(-f --format)'{-f,--format}'[form of the output]:format:(json jsonl csv table)'
    '(-c --columns)'{-c,--columns}'[fields to show]:columns:'
  )
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local command=$words[2]
  shift words
  (( CURRENT-- ))
  local -a help
  help=('(-h --help)'{-h,--help}'[explain the command]')
  case $command in
    call) _arguments $help $format $rest $portal '1:method:_bitrix24_methods' '*:parameter:_files' ;;
    list) _arguments $help $format $rest $portal \
      '(-n --limit)'{-n,--limit}'[stop after that many]:number:' \
      '(-o --output)'{-o,--output}'[write to a file]:file:_files' \
      '--checkpoint[remember how far the export is]:file:_files' \
      '1:method:_bitrix24_methods' '*:parameter:_files' ;;
    methods) _arguments $help '--names[only the names]' '*:word:_bitrix24_methods' ;;
    describe) _arguments $help $rest '1:method:_bitrix24_methods' ;;
    run) _arguments $help $portal '--plan[send no writes]' '1:script:_files' '*:argument:_files' ;;
    check) _arguments $help '(-q --quiet)'{-q,--quiet}'[findings alone]' '*:script:_files' ;;
    sandbox) _arguments $help '--port[of your choice]:number:' '--tls[HTTPS]' \
      '(-q --quiet)'{-q,--quiet}'[the address alone]' '*:option:' ;;
    login) _arguments $help $portal '--webhook[by a webhook]' '--oauth[by an application]' \
      '--domain[the portal]:host:' '--client-id[of the application]:id:' \
      '--listen[wait for the browser]:port:' '--oauth-url[authorization server]:address:' \
      '--no-check[store it without trying it]' '--names[the names that are stored]' ;;
    doctor) _arguments $help $portal ;;
    help) _describe command commands ;;
  esac
}

_bitrix24 "$@"
