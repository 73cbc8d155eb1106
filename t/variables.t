#!/usr/bin/perl

# Every variable, where variables are used: log formats, maps, headers for the
# upstream, routing; after redirects; and empty where there is nothing to say.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use Test::More;
use Test::Plum;

my $SECRET = 'a secret of many bytes 0123456789';
my @NAMES = qw(verdict reason secret event_type key dedupe bytes_in bytes_out
    dropped body body_sha256 tls_version);

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $second = $t->upstream('second');
my $n = 0;

$t->secret('key', $SECRET);
my $fields = join ',', map { qq("$_":"\$plum_$_") } @NAMES;
my $copies = join ',', map { qq("copy_$_":"\$copy_$_") } @NAMES;
my $maps = join "\n", map { "map \$plum_$_ \$copy_$_ { default \$plum_$_; }" }
    @NAMES;
my $headers = join "\n", map { 'proxy_set_header X-Plum-' . s/_/-/gr
    . " \$plum_$_;" } @NAMES;
my $pass = 'proxy_pass http://127.0.0.1:%%PORT_up%%;';

$t->write_conf(<<"CONF");
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    log_format ndjson escape=json '{"n":"\$http_x_n","status":\$status,$fields,'
        '$copies,"uri":"\$uri","class":"\$class","text":"\$text","number":"\$number"}';

    $maps
    map \$plum_verdict \$class {
        accepted  good;
        refused   bad;
        default   "other \$plum_verdict";
    }
    map \$text \$backend {
        default  127.0.0.1:%%PORT_up%%;
        second   127.0.0.1:%%PORT_second%%;
    }

    plum_secret key %%TESTDIR%%/key;
    plum_store deliveries memory:1m;
    plum_allowlist orders {
        event_type event;
        allow id;
        allow data.** for=offer.*;
        unlisted refuse;
    }
    plum_allowlist dropping {
        event_type event;
        allow id for=offer.*;
        unlisted acknowledge;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_tls%% ssl;
        %%TLS_SERVER%%
        ssl_protocols TLSv1.2 TLSv1.3;
        access_log %%TESTDIR%%/access.log ndjson;

        plum_tls off;
        plum_signature github secret=key;
        plum_allow orders;
        plum_capture \$text text;
        plum_capture \$number deep.number;
        proxy_set_header X-Class \$class;
        proxy_set_header X-Text \$text;
        $headers

        location / { plum on; $pass }
        location /off { $pass }
        location /drop { plum on; plum_allow dropping; $pass }
        location /route { plum on; proxy_pass http://\$backend; }
        location /once {
            plum on;
            plum_idempotency deliveries;
            plum_idempotency_key \$text \$number;
            $pass
        }
        location /token {
            plum on;
            plum_signature github secret=key;
            plum_signature body-token secret=key path=token;
            $pass
        }
        location /page {
            plum on;
            error_page 401 = /sorry;
            error_page 502 = \@other;
            $pass
        }
        location = /sorry { return 403 "\$plum_reason \$class\\n"; }
        location \@other { proxy_pass http://127.0.0.1:%%PORT_second%%; }
    }
}
CONF
$t->run;

everything();
nothing();
refusals();
idempotency();
captures();
unverified();
routing();
redirects();
$t->done_testing;


# --- a delivery, and what the log says of it

sub deliver {
    my ($body, %opt) = @_;

    my %headers = (%{delete $opt{headers} || {}}, 'x-n' => ++$n);
    return $t->deliver(scheme => 'github', secret => $SECRET, body => $body,
        headers => \%headers, %opt);
}


sub line {
    my $line = $t->wait_log(qr/\A\{"n":"$n"/, 5, 'access.log');
    return JSON::PP->new->utf8->decode($line || '{}');
}


# the named fields of the last line, in one string

sub fields {
    my $line = line();
    return join ' ', map { $line->{$_} eq '' ? '-' : $line->{$_} } @_;
}


sub last_at {
    my ($upstream) = @_;
    return ($upstream->requests)[-1];
}


# --- what is said

sub everything {
    my $body = '{ "event": "offer.x", "id": "\u00e9\"\\\\", "pin": 1, '
        . "\"data\": { \"a\": \"\xc3\xa9\" }, \"text\": \"t\" }\n";
    my $clean = '{"id":"\u00e9\"\\\\","data":{ "a": "' . "\xc3\xa9\" }}";

    is(deliver($body, port => 'tls', tls => 1)->status, 200, 'a delivery');
    my $line = line();
    my %want = (
        verdict => 'accepted', reason => '', secret => 'key#1',
        event_type => 'offer.x', key => '', dedupe => 'off',
        bytes_in => length $body, bytes_out => length $clean, dropped => 3,
        body_sha256 => sha256_hex($body), tls_version => 'TLSv1.3',
        class => 'good', text => 't', number => '', uri => '/',
    );
    is($line->{$_}, $want{$_}, $_) for sort keys %want;
    utf8::encode(my $logged = $line->{body});
    is($logged, $clean, 'body');

    my $got = last_at($up);
    is($got->{body}, $clean, 'which is the one that was forwarded');
    $want{body} = $clean;
    for my $name (@NAMES) {
        my $header = 'X-Plum-' . $name =~ s/_/-/gr;
        is($up->header($got, $header), $want{$name} eq '' ? undef
            : $want{$name}, $header);
        is($line->{"copy_$name"}, $line->{$name}, "by a map: $name");
    }
    is($up->header($got, 'X-Class'), 'good', 'header: by a map');
    return;
}


sub nothing {
    is(deliver('{"id":1,"text":"t"}', uri => '/off')->status, 200, 'plum off');
    is(fields(@NAMES, qw(text number)), join(' ', ('-') x (@NAMES + 2)),
        'nothing is said');
    is(line()->{class}, 'other ', 'nor in a map');

    my $got = last_at($up);
    is(join(' ', grep { /\AX-(?:Plum|Text)/ }
        map { $_->[0] } @{$got->{headers}}), '', 'nor to the upstream');
    return;
}


sub refusals {
    my @fields = qw(status verdict reason class secret body);
    my $body = '{"event":"offer.x","id":1}';

    deliver($body, secret => 'another secret of many bytes');
    is(fields(@fields), '401 refused credential_mismatch bad - -', 'mismatch');
    is(fields(qw(text event_type dedupe)), '- - -', '... nothing else');
    is(line()->{body_sha256}, sha256_hex($body), '... but its SHA-256');
    deliver($body, method => 'PUT');
    is(fields(@fields), '405 refused method bad - -', 'method');
    is(fields('body_sha256'), '-', '... not read');
    deliver('{"event":"offer.x",}');
    is(fields(@fields), '400 refused json_invalid bad key#1 -', 'no JSON');
    is(fields('event_type', 'text'), '- -', '... nothing captured');
    deliver('{"event":"points","id":1,"text":"t"}');
    is(fields(qw(status verdict reason event_type text)),
        '422 refused event_unlisted points t', 'unlisted');
    deliver('{"event":"points","id":1}', uri => '/drop');
    is(fields(qw(status verdict reason event_type class)),
        '200 dropped - points other dropped', 'dropped');
    is(deliver($body)->status, 200, 'a good one after these');
    return;
}


sub idempotency {
    my $body = '{"event":"offer.x","text":"a","deep":{"number":1}}';

    deliver($body, uri => '/once');
    my $line = line();
    is("$line->{verdict} $line->{dedupe}", 'accepted new', 'new');
    isnt($line->{key}, '', 'key');
    is($up->header(last_at($up), 'X-Plum-Key'), $line->{key},
        'which the upstream is told');

    deliver($body, uri => '/once');
    is(fields(qw(status verdict dedupe)), '200 duplicate duplicate',
        'duplicate');
    is(line()->{key}, $line->{key}, 'the same key');
    deliver('{"event":"offer.x","text":"a"}', uri => '/once');
    is(fields(qw(status reason key)), '400 key_missing -', 'no key');
    return;
}


# strings decoded, the rest as spelt

sub captures {
    my $long = 'x' x 512;
    my %want = (
        '"plain"' => 'plain', '"a\/b\t\"\\\\"' => "a/b\t\"\\",
        '"\u00e9\ud83d\ude00"' => "\x{e9}\x{1f600}", "\"\xc3\xa9\"" => "\x{e9}",
        '1.50e+2' => '1.50e+2', '-0' => '-0', true => 'true',
        false => 'false', '12345678901234567890' => '12345678901234567890',
        qq("$long") => $long, '"' . '\u0041' x 512 . '"' => 'A' x 512,
        qq("${long}x") => '', '"' . '\u0041' x 513 . '"' => '', null => '',
        '{}' => '', '{"text":"x"}' => '', '["x"]' => '', '""' => '',
        '"\ud800"' => '', '"a\nb"' => '', '"a\rb"' => '', '"a\u0000"' => '',
        '1' x 512 => '1' x 512, '1' x 513 => '',
    );

    for my $value (sort keys %want) {
        my $status = deliver(
            qq({"event":"offer.x","text":$value,"deep":{"number":$value}}))
            ->status;
        my $line = line();
        my $name = length $value > 40 ? length($value) . ' bytes'
            : $value =~ s/[^ -~]/?/gr;
        is($status, 200, "capture: $name");
        is($line->{$_}, $want{$value}, "... \$$_") for qw(text number);
    }

    is(last_at($up)->{body}, '{}', 'none is forwarded by being captured');
    deliver('{"event":"offer.x","id":2,"text":"t","data":[1]}');
    is(last_at($up)->{body}, '{"id":2,"data":[1]}', 'nor does it disturb');
    is($up->header(last_at($up), 'X-Text'), 't', 'in a header');

    # a value with a line end in it would be a header of its own
    for my $evil ('offer.x", "text":"a', 'offer.a') {
        deliver(qq({"event":"$evil\\r\\nX-Injected: 1"}));
        is($up->header(last_at($up), 'X-Injected'), undef,
            'no header is injected');
    }
    return;
}


# a body that nobody vouches for is not looked into

sub unverified {
    my $body = qq({"event":"offer.x","text":"t","token":"$SECRET"});

    deliver($body, uri => '/token');
    is(fields(qw(status text event_type)), '200 t offer.x', 'a right token');
    deliver($body =~ s/bytes/BYTES/r, uri => '/token');
    is(fields(qw(status text event_type body)), '401 - - -', 'a wrong one');
    deliver($body, uri => '/token', secret => 'another secret');
    is(fields(qw(status text event_type body)), '401 - - -',
        'a wrong signature');
    return;
}


sub routing {
    for my $case (['second', $second], ['first', $up], ['x', $up]) {
        my ($to, $upstream) = @$case;
        my $before = () = $upstream->requests;
        is(deliver(qq({"event":"offer.x","text":"$to","id":"$to"}),
            uri => '/route')->status, 200, "routed by the body: $to");
        my @got = $upstream->requests;
        is(scalar @got, $before + 1, 'to its consumer');
        is($got[-1]{body}, qq({"id":"$to"}), 'stripped');
    }
    return;
}


sub redirects {
    my $body = '{"event":"offer.x","text":"t","id":7}';
    my $r = deliver($body, uri => '/page', secret => 'another secret');
    is($r->status, 403, 'the error page of a refusal');
    is($r->body, "credential_mismatch bad\n", 'which knows why');
    is(fields(qw(uri verdict reason)), '/sorry refused credential_mismatch',
        'and so does the log');

    $up->script({action => 'reset'});
    is(deliver($body, uri => '/page')->status, 200, 'a named location');
    is(fields(qw(verdict secret event_type text bytes_out)),
        'accepted key#1 offer.x t 8', 'still known');
    is(line()->{body_sha256}, sha256_hex($body), 'the SHA-256 too');
    my $got = last_at($second);
    is($got->{body}, '{"id":7}', 'the clean body went there');
    is($second->header($got, 'X-Plum-Verdict'), 'accepted', 'with the headers');
    return;
}
