# Completion of the command `bitrix24` for fish. Names of methods come from
# the catalogue, without a portal.

set -l commands call list methods describe run check sandbox login doctor version help

function __bitrix24_methods
    bitrix24 methods --names -- (commandline -ct) 2>/dev/null
end

# No word before this one is the method.
function __bitrix24_wants_method
    not string match -q -r '^\w+(\.\w+)+$' -- (commandline -opc)[3..]
end

complete -c bitrix24 -f
complete -c bitrix24 -n "not __fish_seen_subcommand_from $commands" -l version -d 'print the version'
for pair in 'call:call a method and print its result' 'list:fetch every record of a list' \
        'methods:find methods by words' 'describe:show what a method takes and returns' \
        'run:run a Lua script on a portal' 'check:find mistakes in scripts' \
        'sandbox:start a portal on this machine' 'login:store the address of a portal' \
        'doctor:check the connection' 'version:print the version' 'help:explain a command'
    set -l parts (string split -m 1 : $pair)
    complete -c bitrix24 -n "not __fish_seen_subcommand_from $commands" -a $parts[1] -d $parts[2]
end
complete -c bitrix24 -s h -l help -d 'explain the command'

set -l portal '__fish_seen_subcommand_from call list run login doctor'
complete -c bitrix24 -n $portal -s p -l profile -x -a '(bitrix24 login --names 2>/dev/null)' -d 'a profile of bitrix24 login'
complete -c bitrix24 -n '__fish_seen_subcommand_from call list run doctor' -l timeout -x -d 'seconds for a request'
complete -c bitrix24 -n $portal -l limits -x -a 'standard enterprise' -d 'of the plan'
complete -c bitrix24 -n $portal -l ca-file -r -F -d "the authority that signed the certificate"
complete -c bitrix24 -n "$portal; or __fish_seen_subcommand_from check sandbox" -s q -l quiet -d 'no progress, no notes'
complete -c bitrix24 -n $portal -s v -l verbose -d 'tell of every request'

complete -c bitrix24 -n '__fish_seen_subcommand_from call list describe; and __bitrix24_wants_method' -a '(__bitrix24_methods)'
complete -c bitrix24 -n '__fish_seen_subcommand_from methods' -a '(__bitrix24_methods)'
complete -c bitrix24 -n '__fish_seen_subcommand_from call list' -s f -l format -x -a 'json jsonl csv table' -d 'form of the output'
complete -c bitrix24 -n '__fish_seen_subcommand_from call list' -s c -l columns -x -d 'fields to show'
complete -c bitrix24 -n '__fish_seen_subcommand_from call list describe' -l rest -x -a '2 3' -d 'version of the API'
complete -c bitrix24 -n '__fish_seen_subcommand_from list' -s n -l limit -x -d 'stop after that many'
complete -c bitrix24 -n '__fish_seen_subcommand_from list' -s o -l output -r -F -d 'write to a file'
complete -c bitrix24 -n '__fish_seen_subcommand_from list' -l checkpoint -r -F -d 'remember how far the export is'
complete -c bitrix24 -n '__fish_seen_subcommand_from methods login' -l names -d 'only the names'
complete -c bitrix24 -n '__fish_seen_subcommand_from run' -l plan -d 'send no writes'
complete -c bitrix24 -n '__fish_seen_subcommand_from run check' -F
complete -c bitrix24 -n '__fish_seen_subcommand_from sandbox' -l port -x -d 'the port to listen on'
complete -c bitrix24 -n '__fish_seen_subcommand_from sandbox' -l tls -d HTTPS
complete -c bitrix24 -n '__fish_seen_subcommand_from login' -l webhook -d 'by a webhook'
complete -c bitrix24 -n '__fish_seen_subcommand_from login' -l oauth -d 'by an application'
complete -c bitrix24 -n '__fish_seen_subcommand_from login' -l domain -x -d 'the portal'
complete -c bitrix24 -n '__fish_seen_subcommand_from login' -l client-id -x -d 'of the application'
complete -c bitrix24 -n '__fish_seen_subcommand_from login' -l listen -x -d 'wait for the browser'
complete -c bitrix24 -n '__fish_seen_subcommand_from login' -l oauth-url -x -d 'authorization server'
complete -c bitrix24 -n '__fish_seen_subcommand_from login' -l no-check -d 'store it without trying it'
complete -c bitrix24 -n '__fish_seen_subcommand_from help' -a "$commands options"
