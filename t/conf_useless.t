#!/usr/bin/perl

# Configurations that NGINX accepts and that can only ever refuse, strip,
# double or pass everything: nginx -t says what is wrong and what to write.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;
use Test::Plum::Config;

my $t = Test::Plum->new;
$t->secret($_, "a secret of many bytes, $_") for qw(key other);

my $TEMPLATE = <<'CONF';
%%GLOBALS%%
events {
}
http {
    %%HTTP_GLOBALS%%
    plum_secret key %%TESTDIR%%/key;
    plum_secret other %%TESTDIR%%/other;
    {list}
    {store}
    {http}
    server {
        listen 127.0.0.1:%%PORT_0%%;
        plum_tls off;
        {server}
        location {uri} {
            {on}
            {signature}
            {allow}
            {captures}
            {idempotency}
            {key}
            {more}
            {handler}
        }
        {beside}
    }
}
CONF

my %PART = (
    list => 'plum_allowlist orders { event_type event; allow id data.x; }',
    store => 'plum_store mem memory:1m;',
    http => '',
    server => '',
    uri => '/',
    on => 'plum on;',
    signature => 'plum_signature github secret=key;',
    allow => 'plum_allow orders;',
    captures => 'plum_capture $id id;',
    idempotency => 'plum_idempotency mem;',
    key => 'plum_idempotency_key $id;',
    more => '',
    handler => 'proxy_pass http://127.0.0.1:%%PORT_up%%;',
    beside => '',
);

my $c = Test::Plum::Config->new(test => $t, template => $TEMPLATE,
    parts => \%PART);

$c->silent('as it should be');
$c->refused(\*DATA);
doubtful_paths();
handlers();
unused();
keys_of_headers();
keys_that_vary();
places();
limits();
$t->done_testing;


# names that could be meant, but rarely are

sub doubtful_paths {
    my $said = sub { qq(path "$_[0]" looks like one of another language: )
        . qq(quote the name that is meant, or write "$_[1]") };
    my $list = sub { "plum_allowlist orders {\nevent_type event; "
        . "$_[0] #!\n}" };

    $c->warned($_->[0], list => $list->("allow id $_->[0];"), $said->(@$_))
        for ['data/id', 'data.id'], ['data.items.0.id', 'data.items[].id'],
        ['items/0/id', 'items[].id'];
    $c->warned('event_type', list => "plum_allowlist orders {\n"
        . "event_type data/type; #!\nallow id; }",
        $said->('data/type', 'data.type'));
    $c->warned('plum_capture', captures => 'plum_capture $id data/id;',
        $said->('data/id', 'data.id'));
    $c->warned('path=', signature => 'plum_signature body-token secret=key '
        . 'path=data/token;', $said->('data/token', 'data.token'));
    $c->warned('json:', signature => 'plum_signature github secret=key '
        . 'timestamp=json:data/at;', $said->('data/at', 'data.at'));
    $c->silent('quoted', list =>
        q(plum_allowlist orders { allow '"data/id"' 'items."0".id' 0; }));
    return;
}


sub handlers {
    my %none = (at => 'on');
    my $said = '"plum on" without a content handler: NGINX answers 405 to '
        . 'each delivery, write "proxy_pass" or another one';
    my $return = '"return" answers whatever comes to this location: nothing '
        . 'is judged or forwarded';

    $c->warned($_ || 'no handler', handler => $_, $said, %none)
        for '', 'root %%TESTDIR%%;', 'index a.html;', 'autoindex on;',
        'set $a b;', 'if ($http_a) { set $b c; }', 'error_page 500 /a;',
        'limit_except POST { deny all; }';
    $c->warned('no handler, and a location inside without one', handler =>
        'location /a { root %%TESTDIR%%; }', $said, %none);
    $c->warned($_, handler => $_, $return, %none)
        for 'return 200;', 'return 503; proxy_pass http://127.0.0.1:1;';

    $c->silent($_, handler => $_)
        for 'fastcgi_pass 127.0.0.1:1;', 'grpc_pass 127.0.0.1:1;',
        'uwsgi_pass 127.0.0.1:1;', 'scgi_pass 127.0.0.1:1;',
        'try_files /a @b;', 'rewrite ^ /other last;', 'stub_status;',
        'if ($http_a) { return 403; } proxy_pass http://127.0.0.1:1;',
        'if ($http_a) { return 200; }',
        'if ($http_a) { proxy_pass http://127.0.0.1:1; }',
        'location /a { proxy_pass http://127.0.0.1:1; }';
    return;
}


# what stands in a location by itself, and "plum on" was forgotten

sub unused {
    my $said = sub { qq(no location with "plum on" uses this "$_[0]": nothing )
        . 'is judged by it, write "plum on", or "plum off" if that is meant' };
    my %none = map { $_ => '' } qw(on signature allow captures idempotency
        key);

    for my $slot (qw(signature allow captures idempotency)) {
        my ($name) = $PART{$slot} =~ /\A(\w+)/;
        my %parts = (%none, $slot eq 'idempotency'
            ? (key => 'plum_idempotency_key $http_a;') : ());
        $c->warned("only $name", $slot => $PART{$slot}, $said->($name),
            parts => \%parts);
        $c->warned("only $name, in the server", server => $PART{$slot},
            $said->($name), parts => \%none);
        $c->warned("only $name, in http", http => $PART{$slot},
            $said->($name), parts => \%none);
        $c->silent("$name, plum off", $slot => $PART{$slot},
            parts => {%parts, on => 'plum off;'});
        $c->silent("$name of a server, plum off", server => $PART{$slot},
            parts => {%none, on => 'plum off;'});
    }
    $c->silent('lines of a server, used by one of two', server =>
        join(' ', @PART{qw(signature allow captures idempotency key)}),
        parts => {map({ $_ => '' } qw(signature allow captures idempotency
            key)), beside => 'location /b { root %%TESTDIR%%; }'});
    $c->silent('lines of a location, used by one inside', handler =>
        'location /b { plum on; proxy_pass http://127.0.0.1:1; }',
        parts => {on => ''});
    $c->warned('a location beside', beside =>
        'location /b { plum_allow orders; proxy_pass http://127.0.0.1:1; }',
        $said->('plum_allow'));
    $c->silent('lines of http that all replace', http =>
        'plum_signature github secret=other; plum_allow all;');
    return;
}


# parts of the key that a signature should cover

sub keys_of_headers {
    my $said = sub { qq("\$$_[0]" in "plum_idempotency_key" is covered by no )
        . 'signature: with another value a recorded delivery is a new event, '
        . "use @{[$_[1] ? '\"$plum_signed_id\", ' : '']}"
        . 'a captured field or "$plum_body_sha256"' };
    my $key = sub { "plum_idempotency_key $_[0];" };
    my $warned = sub {
        my ($scheme, $name, %opt) = @_;
        $c->warned("$scheme: $name", key => $key->($opt{key} || "\$$name"),
            $said->($name, $opt{id}), at => 'on', parts =>
            {signature => "plum_signature $scheme secret=key;",
            %{$opt{parts} || {}}});
    };
    my $silent = sub {
        my ($scheme, $value, %parts) = @_;
        $c->silent("$scheme: $value", key => $key->($value), parts =>
            {signature => "plum_signature $scheme secret=key;", %parts});
    };

    $warned->('github', $_) for qw(http_x_github_delivery host arg_id args
        request_uri uri content_length);
    $warned->('github', 'http_x_github_delivery', key => $_)
        for '${http_x_github_delivery}', 'a-$http_x_github_delivery-b',
        '$id $http_x_github_delivery', '$plum_event_type:$id:$uri $id'
        =~ s/\$uri/\$http_x_github_delivery/r;
    $warned->('github', 'cookie_a');
    $warned->('github', '1', parts => {uri => '~ ^/(.*)$'});
    $warned->('github', 'uri', parts => {uri => '/a'});
    $warned->($_, 'http_x_id', id => 1) for qw(standard-webhooks svix);
    $warned->('stripe', 'http_x_id');
    $warned->('slack', 'http_x_id');
    $warned->('hmac header=x-s "content={header:X-A}.{body}"', 'http_x_id');
    $warned->('hmac header=x-s "content={uri}.{body}"', 'http_x_id');

    $silent->('standard-webhooks', '$http_webhook_id');
    $silent->('svix', '$http_svix_id ${http_svix_id}');
    $silent->('hmac header=x-s "content={header:X-Event-Id}.{body}"',
        '$http_x_event_id');
    $silent->('hmac header=x-s "content={uri}.{body}"', $_)
        for qw($arg_id $request_uri $uri);
    $silent->('github', $_) for qw($id $plum_body_sha256 $plum_body),
        '$id $plum_event_type', '$id order$server_name';
    $silent->('github', '$uri $id', uri => '= /a');
    $silent->($_, '$http_x_id $arg_id') for 'api-key', 'body-token path=a';
    $silent->('github', '$b', http => 'map $http_a $b { default $http_a; }');
    $silent->('slack', '$http_x_id', idempotency => 'plum_idempotency off;');

    # every line must hold, so one that covers it is enough
    $c->silent('two lines, of which one covers it', key =>
        $key->('$http_webhook_id'), parts => {signature =>
        'plum_signature github secret=key; '
        . 'plum_signature standard-webhooks secret=other;'});
    $c->warned('two ways in, of which one covers it', key =>
        $key->('$http_webhook_id'), $said->('http_webhook_id', 1),
        at => 'on', parts => {signature => 'plum_satisfy any; '
        . 'plum_signature github secret=key; '
        . 'plum_signature standard-webhooks secret=other;'});
    $c->silent('two ways in by one header', signature => 'plum_satisfy any; '
        . 'plum_signature github secret=key; '
        . 'plum_signature github secret=other;');
    return;
}


# what differs from attempt to attempt, or is always the same

sub keys_that_vary {
    my $key = sub { "plum_idempotency_key $_[0];" };

    for my $name (qw(remote_addr remote_port request_id msec time_iso8601
        connection ssl_session_id proxy_protocol_addr)) {
        $c->warned("attempts: $name", key => $key->("\$id \$$name"),
            qq("\$$name" in "plum_idempotency_key" differs from attempt to )
            . 'attempt: each is a new event, use a captured field or '
            . '"$plum_body_sha256"', at => 'on');
    }
    $c->warned('attempts: a signature', key =>
        $key->('$http_x_hub_signature_256'), '"$http_x_hub_signature_256" in '
        . '"plum_idempotency_key" is a signature, which can be spelt in '
        . 'several ways: each attempt may be a new event, use a captured '
        . 'field or "$plum_body_sha256"', at => 'on');
    $c->warned('attempts: a timestamp', key =>
        $key->('$http_webhook_id $http_webhook_timestamp'),
        '"$http_webhook_timestamp" in "plum_idempotency_key" is the time of '
        . 'an attempt: each attempt may be a new event, use a captured field '
        . 'or "$plum_body_sha256"', at => 'on', parts => {signature =>
        'plum_signature standard-webhooks secret=key;'});
    $c->warned('one of each type', key => $key->('$plum_event_type'),
        'the variables of "plum_idempotency_key" do not tell events of one '
        . 'type apart: they would be copies of the first, add an id of the '
        . 'event by "plum_capture"', at => 'on');
    return;
}


# an object stands where a string is looked for

sub places {
    $c->warned('an event type inside of which something is allowed', list =>
        'plum_allowlist orders { event_type data; allow data.x; }',
        '"event_type data" is an object or array where there is "data.x": '
        . 'such an event has no type');
    $c->warned('a token likewise', signature =>
        'plum_signature body-token secret=key path=data;',
        '"data" is an object or array where there is "data.x": the signature '
        . 'finds nothing there');
    $c->warned('a timestamp likewise', signature => 'plum_signature github '
        . 'secret=key timestamp=json:data;',
        '"data" is an object or array where there is "data.x": the signature '
        . 'finds nothing there');
    $c->warned('a part of the key likewise', captures =>
        'plum_capture $id data;', '"$id" is a part of the key, and empty '
        . 'where there is "data.x": "data" is an object or array then');
    $c->warned('two captures', captures =>
        'plum_capture $id a; plum_capture $b a.b;',
        '"$id" is a part of the key, and empty where there is "a.b": "a" is '
        . 'an object or array then');
    $c->warned('a path with for= and without', list =>
        'plum_allowlist orders { event_type event; allow id data.x; '
        . 'allow data.x for=a; }', '"data.x" is allowed with "for=", and '
        . 'without it for each event');

    $c->silent('a capture outside of the key', captures =>
        'plum_capture $id id; plum_capture $data data;');
    $c->silent('the whole value of a capture', list =>
        'plum_allowlist orders { allow id.**; }');
    $c->silent('a string or an object', list =>
        'plum_allowlist orders { allow data data.x; }');
    return;
}


sub limits {
    my $said = sub { qq("client_max_body_size" of $_[0] bytes is less than )
        . qq("plum_max_body" of $_[1]: larger bodies are refused, raise both)
    };

    $c->warned('the default of NGINX', more => 'plum_max_body 2m;',
        $said->(1048576, 2097152), at => 'on');
    $c->warned('a lower one', more => 'plum_max_body 1m; '
        . 'client_max_body_size 300k;', $said->(307200, 1048576), at => 'on');
    $c->warned('of a location inside, once', more => 'plum_max_body 2m; '
        . 'if ($http_a) { set $b c; }', $said->(1048576, 2097152),
        at => 'on');
    $c->silent($_, more => $_) for 'plum_max_body 1m;',
        'plum_max_body 2m; client_max_body_size 2m;',
        'plum_max_body 2m; client_max_body_size 0;',
        'client_max_body_size 1k;',
        'plum_max_body 200k; client_max_body_size 100k;';

    $c->warned('no 2xx is success', idempotency =>
        'plum_idempotency mem success=409;', '"success=" names no 2xx: what '
        . 'the upstream takes is forwarded again with each attempt, write '
        . '"success=2xx,..."');
    $c->warned('5xx is success', idempotency =>
        'plum_idempotency mem success=2xx,503;', '"success=" names a 5xx: an '
        . 'event that the upstream failed to take is acknowledged and lost');
    $c->silent("success=$_", idempotency => "plum_idempotency mem success=$_;")
        for '204', '2xx,404,409', '201,302';
    $c->silent('retention as long as the lease', idempotency =>
        'plum_idempotency mem retention=30s;');
    return;
}


__DATA__

# paths in other languages

list plum_allowlist orders {\nallow $.data.id; #!\n}
    path "$.data.id": the root is not written, write "data.id"
list plum_allowlist orders {\nallow /data/id; #!\n}
    path "/data/id": a name with "/" in front must be quoted, write "data.id"
list plum_allowlist orders {\nallow "#/data/id"; #!\n}
    path "#/data/id": a name with "/" in front must be quoted, write "data.id"
list plum_allowlist orders {\nallow data[0].id; #!\n}
    path "data[0].id": "." or "[]" expected after a step, write "data[].id"
list plum_allowlist orders {\nallow data.items[*]; #!\n}
    path "data.items[*]": "." or "[]" expected after a step, write "data.items[]"
list plum_allowlist orders {\nallow .data.id; #!\n}
    path ".data.id": name expected, write "data.id"
list plum_allowlist orders {\nallow id,name; #!\n}
    path "id,name": a name with "," must be quoted, paths are separated by spaces
list plum_allowlist orders {\nallow ** -data.secret; #!\n}
    path "-data.secret": a name with "-" in front must be quoted, there are no exceptions from what is listed
list plum_allowlist orders {\nevent_type $.event; allow id; #!\n}
    path "$.event": the root is not written, write "event"
captures plum_capture $id $.id;
    path "$.id": the root is not written, write "id"
captures plum_capture $id /id;
    path "/id": a name with "/" in front must be quoted, write "id"
captures plum_capture $id items[].id;
    path "items[].id" does not name exactly one value
signature plum_signature body-token secret=key path=$.secret;
    path "$.secret": the root is not written, write "secret"
signature plum_signature body-token secret=key path=/a/secret;
    path "/a/secret": a name with "/" in front must be quoted, write "a.secret"
signature plum_signature github secret=key timestamp=json:$.at;
    path "$.at": the root is not written, write "at"

# types of events that are none

list plum_allowlist orders { event_type event;\nallow for=a id; #!\n}
    "for=a" is no path, event types stand once and at the end, without spaces: "for=a,b"
list plum_allowlist orders { event_type event;\nallow id for=a, b; #!\n}
    "for=a," is no path, event types stand once and at the end, without spaces: "for=a,b"
list plum_allowlist orders { event_type event;\nallow id for a; #!\n}
    "for" is no path, event types stand once and at the end, without spaces: "for=a,b"
list plum_allowlist orders { event_type event;\nallow id "for=a, b"; #!\n}
    event pattern " b" is no name, with or without a "*" at its end
list plum_allowlist orders { event_type event;\nallow id for="a"; #!\n}
    event pattern ""a"" is no name, with or without a "*" at its end
list plum_allowlist orders { event_type event;\nallow id for=~^a; #!\n}
    event pattern "~^a" is no name, with or without a "*" at its end
list plum_allowlist orders { event_type event;\nallow id event=a; #!\n}
    path "event=a": a name with "=" must be quoted

# variables of captures

captures plum_capture $http_id id;
    invalid variable name "$http_id", variables with "$http_" in front are built in
captures plum_capture $arg_id id;
    invalid variable name "$arg_id", variables with "$arg_" in front are built in
captures plum_capture $upstream_http_id id;
    invalid variable name "$upstream_http_id", variables with "$upstream_http_" in front are built in
captures plum_capture $id id;\nplum_capture $args id; #!
    variable "$args" is set elsewhere
captures plum_capture $plum_key id;
    the duplicate "plum_key" variable
captures plum_capture $order-id id;
    invalid variable name "$order-id", it may have letters, digits and "_"
captures plum_capture $1 id;
    invalid variable name "$1", with a digit in front it is a match of a regular expression
http map $host $id { default a; }
    @captures variable "$id" is set elsewhere
more set $id a;
    the duplicate "id" variable
beside map $host $id { default a; }
    "map" directive is not allowed here

# stores

store plum_store mem memory;
    unknown store address "memory", it must be "memory:size", "redis://host", "redis+cluster://host,...", "redis+sentinel://host,.../master" (with TLS "rediss"), or "unix:/path"
store plum_store mem;
    a store needs a name and an address, which is "memory:size", "redis://host", "redis+cluster://host,...", "redis+sentinel://host,.../master" (with TLS "rediss"), or "unix:/path"

# idempotency

idempotency plum_idempotency mem retention=10s;
    "retention" of 10000ms is shorter than "lease" of 30000ms: what was forwarded would be forgotten before a claim is, make it longer or "lease=" shorter
idempotency plum_idempotency mem retention=7;
    "retention" of 7000ms is shorter than "lease" of 30000ms: what was forwarded would be forgotten before a claim is, make it longer or "lease=" shorter
idempotency plum_idempotency mem lease=8d;
    "retention" of 604800000ms is shorter than "lease" of 691200000ms: what was forwarded would be forgotten before a claim is, make it longer or "lease=" shorter
key plum_idempotency_key $id $status;
    @on "$status" in "plum_idempotency_key" is not known before the event is forwarded: each delivery would be refused (key_missing)
key plum_idempotency_key $id $upstream_http_x_id;
    @on "$upstream_http_x_id" in "plum_idempotency_key" is not known before the event is forwarded: each delivery would be refused (key_missing)
key plum_idempotency_key $plum_key;
    @on "$plum_key" in "plum_idempotency_key" is not known before the event is forwarded: each delivery would be refused (key_missing)
list plum_allowlist orders { allow id; }\nserver { listen 127.0.0.1:%%PORT_0%%; server_name b; plum_tls off; location / {\nplum on; #!\nplum_signature github secret=key; plum_allow orders; plum_idempotency mem; plum_idempotency_key $id; proxy_pass http://127.0.0.1:1; } }
    "$id" in "plum_idempotency_key" is empty, as no "plum_capture" of this location sets it: each delivery would be refused (key_missing)
list plum_allowlist orders { allow id; }\nserver { listen 127.0.0.1:%%PORT_0%%; server_name b; plum_tls off; plum_capture $id id; location / {\nplum on; #!\nplum_capture $other id; plum_signature github secret=key; plum_allow orders; plum_idempotency mem; plum_idempotency_key $id; proxy_pass http://127.0.0.1:1; } }
    "$id" in "plum_idempotency_key" is empty, as no "plum_capture" of this location sets it: each delivery would be refused (key_missing)
list plum_allowlist orders { allow id; }\nserver { listen 127.0.0.1:%%PORT_0%%; server_name b; plum_tls off; location / {\nplum on; #!\nplum_signature github secret=key; plum_allow orders; plum_idempotency mem; plum_idempotency_key $plum_event_type; proxy_pass http://127.0.0.1:1; } }
    "$plum_event_type" in "plum_idempotency_key" is empty, as the allowlist has no "event_type": each delivery would be refused (key_missing)
key plum_idempotency_key orders $server_name;
    @on the variables of "plum_idempotency_key" are the same in all deliveries: all would be copies of the first, add an id of the event by "plum_capture"
server location /b {\nplum on; #!\nplum_signature api-key secret=key; plum_allow all; plum_idempotency mem; plum_idempotency_key $http_x_api_key; proxy_pass http://127.0.0.1:1; }
    the variables of "plum_idempotency_key" are the same in all deliveries: all would be copies of the first, add an id of the event by "plum_capture"
server location = /b {\nplum on; #!\nplum_signature github secret=key; plum_allow all; plum_idempotency mem; plum_idempotency_key $uri; proxy_pass http://127.0.0.1:1; }
    the variables of "plum_idempotency_key" are the same in all deliveries: all would be copies of the first, add an id of the event by "plum_capture"

# signatures that exclude each other

signature plum_signature github secret=key;\nplum_signature github secret=other; #!
    no delivery can satisfy this "plum_signature" and the one in LINE_BEFORE, and both must hold; for several live secrets repeat "plum_secret" with one name, for two ways in write "plum_satisfy any"
signature plum_signature api-key secret=key;\nplum_signature api-key secret=other; #!
    no delivery can satisfy this "plum_signature" and the one in LINE_BEFORE, and both must hold; for several live secrets repeat "plum_secret" with one name, for two ways in write "plum_satisfy any"
signature plum_signature api-key secret=key;\nplum_signature hmac header=X-API-Key secret=other; #!
    no delivery can satisfy this "plum_signature" and the one in LINE_BEFORE, and both must hold; for several live secrets repeat "plum_secret" with one name, for two ways in write "plum_satisfy any"
signature plum_signature body-token path=a secret=key;\nplum_signature body-token path=a secret=other; #!
    no delivery can satisfy this "plum_signature" and the one in LINE_BEFORE, and both must hold; for several live secrets repeat "plum_secret" with one name, for two ways in write "plum_satisfy any"
signature plum_signature hmac header=x-a secret=key;\nplum_signature hmac header=x-a secret=key algorithm=sha512; #!
    no delivery can satisfy this "plum_signature" and the one in LINE_BEFORE, and both must hold; for several live secrets repeat "plum_secret" with one name, for two ways in write "plum_satisfy any"
signature plum_signature hmac header=x-sig secret=key "content={header:X-Sig}.{body}";
    a signature cannot sign itself, header of the signature in content "{header:X-Sig}.{body}"
