#!/usr/bin/perl

# One media type by its grammar, in UTF-8, and what is forwarded in its place:
# a consumer must not be able to read the clean body as anything else.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Encode ();
use IO::Select;
use IO::Socket::INET;
use Test::More;
use Test::Plum;
use Test::Plum::Config;

my $SECRET = 'a secret of many bytes 0123456789';
my $BODY = '{"id":1,"x":2}';
my $JSON = 'application/json';
my $UTF_8 = 'application/json; charset=utf-8';

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $serial = 0;

$t->secret('key', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$request_uri $status $plum_verdict $plum_reason '
                    '[$content_type] [$http_content_type]';
    plum_secret key %%TESTDIR%%/key;
    plum_allowlist id { allow id; }
    plum_allow id;
    plum_tls off;
    plum_signature github secret=key;

    map $content_type $kind {
        volatile;
        default        other;
        ~^application/json  json;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        access_log %%TESTDIR%%/access.log plum;

        location / { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }

        location /types {
            plum_types text/plain Application/CloudEvents+JSON;
            plum_types application/x-www-form-urlencoded;

            location /types/ {
                plum on;
                proxy_pass http://127.0.0.1:%%PORT_up%%;

                location /types/none {
                    plum_types application/json;
                    proxy_pass http://127.0.0.1:%%PORT_up%%;
                }
            }
        }

        location /variables {
            plum on;
            if ($content_type ~ nothing) { return 400; }
            if ($http_content_type ~ nothing) { return 400; }
            proxy_set_header Content-Type "";
            proxy_set_header X-A $content_type;
            proxy_set_header X-B $http_content_type;
            proxy_set_header X-C $kind;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /mirrored {
            plum on;
            mirror /copy;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location = /copy {
            internal;
            proxy_pass http://127.0.0.1:%%PORT_up%%/copied;
        }

        location /observe {
            plum on;
            plum_mode observe;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /fastcgi {
            plum on;
            fastcgi_param CONTENT_TYPE $content_type;
            fastcgi_pass 127.0.0.1:%%PORT_raw%%;
        }
        location /uwsgi {
            plum on;
            uwsgi_param CONTENT_TYPE $content_type;
            uwsgi_pass 127.0.0.1:%%PORT_raw%%;
        }
        location /scgi {
            plum on;
            scgi_param CONTENT_TYPE $content_type;
            scgi_pass 127.0.0.1:%%PORT_raw%%;
        }
    }
}
CONF
$t->run;

accepted();
refused();
many();
encodings();
further();
places();
protocols();
http2();
configuration();
$t->done_testing;


# what the upstream gets for these headers, or the status and the reason

sub outcome {
    my ($types, %opt) = @_;

    my $uri = ($opt{uri} || '/') . '?n=' . ++$serial;
    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        body => $BODY, %opt, uri => $uri,
        headers => {%{$opt{headers} || {}}, 'content-type' => undef});
    push @{$request{headers}}, map { ['Content-Type', $_] } @$types;

    my $before = $up->requests;
    my $status = $t->request(%request)->status;
    $t->wait_log(qr/^\Q$uri\E /, 5, 'access.log') =~ / (\S+) (\S+) \[/;
    my @got = ($up->requests)[$before .. $up->requests - 1];
    return "$status $2" if $status != 200 && !@got;
    return "$status, forwarded $#got more" if $status != 200 || @got != 1;
    return join '|', map { $_->[1] }
        grep { lc $_->[0] eq 'content-type' } @{$got[0]{headers}};
}


sub accepted {
    is(outcome([$_]), $JSON, "[$_]") for $JSON, 'Application/JSON',
        "\t$JSON\t", "$JSON;", "$JSON ; ;", "$JSON; a=b", "$JSON;a=\"b\"",
        "$JSON; profile=\"http://a/b c\"; v=1", "$JSON\t;\ta=\"\\\"\"",
        "$JSON; a=\"; charset=utf-7\"", "$JSON; a=\"\xe9\"",
        "$JSON; charsets=utf-7", 'application/a+json',
        'application/vnd.plum.v1+JSON; v=2',
        'application/x-www-form-urlencoded+json', 'application/xml+json';

    is(outcome([$_]), $UTF_8, "[$_]") for "$JSON; charset=utf-8",
        "$JSON;CHARSET=UTF-8", "$JSON; a=b;charset=\"Utf-8\" ;",
        "$JSON; charset=\"utf\\-8\"", 'application/a+json;charset=utf-8';
    return;
}


sub refused {
    my $bad = '415 content_type';

    for my $charset (qw(utf-7 "utf-7" UTF-7 utf-16 utf-16le UTF-16BE utf-32
        ibm037 cp037 iso-8859-1 us-ascii windows-1252 shift_jis iso-2022-jp
        hz-gb-2312 utf8 utf-8x utf_8 'utf-8' ""))
    {
        is(outcome(["$JSON; charset=$charset"]), $bad, "charset $charset");
    }
    is(outcome([$_]), $bad, "[$_]") for
        "$JSON; charset=utf-8; charset=utf-8",
        "$JSON; charset=utf-8; charset=utf-7",
        "$JSON; charset=utf-8; Charset=\"utf-7\"",
        "$JSON; charset=utf-7; charset=utf-8",
        "$JSON; charset=\" utf-8\"", "$JSON; charset=utf-8,utf-7",
        "$JSON; charset*=utf-8''utf-7", "$JSON; charset*0=utf; charset*1=-7",
        "$JSON; charset", "$JSON; charset=", "$JSON; charset =utf-8",
        "$JSON; charset= utf-8", "$JSON; charset=\"utf-8", "$JSON; =utf-8",
        "$JSON; charset=utf-8 utf-7", "$JSON charset=utf-8",
        "$JSON; a=\"b\"c", "$JSON; a=b\"c\"", "$JSON; a=\"\\", "$JSON; (a)",
        "$JSON; a=\"\x01\"", "$JSON; \xe9=a", "$JSON\xa0";
    is(outcome([$_]), $bad, "[$_]") for '', ' ', ';', '/', '/json',
        'application/', 'json', 'text/json', 'text/plain', 'text/plain+json',
        'application/x-www-form-urlencoded', 'application/jsonp',
        'application/+json', '+json', 'application /json',
        'application/ json', 'application/json/json',
        'application/xml +json', 'application/xml; +json',
        'application/xml;a=+json', "application/xml\t+json",
        'application/x-www-form-urlencoded, a/b+json',
        'application/x-www-form-urlencoded,a/b+json', "$JSON, $JSON",
        "$JSON,$JSON", "$JSON; a=b, text/plain", "$JSON, ;", "\"$JSON\"",
        'application/vnd.a"b"+json', 'application/(a)+json',
        'application/a@b+json', 'application/json=', "$JSON\x01";
    is(outcome([$JSON]), $JSON, 'and a good one');
    return;
}


sub many {
    my $bad = '415 content_type';

    is(outcome([]), $bad, 'none');
    for my $two ([$JSON, $JSON], [$JSON, 'text/xml'], ['text/xml', $JSON],
        ['', $JSON], [$JSON, ''])
    {
        is(outcome($two), $bad, 'two: ' . join ' and ', @$two);
    }

    # a line that is folded is none of NGINX's
    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        body => $BODY);
    my $before = $up->requests;
    my $c = $t->client(0);
    my $head = $c->head(%request);
    $head =~ s/(application\/json\r\n)/$1 ;charset=utf-7\r\n/;
    $c->write($head . $BODY);
    is($c->read_response->status, 400, 'a folded line');
    is(scalar($up->requests), $before, '... is not forwarded');
    is(outcome([$JSON]), $JSON, 'and a good one');
    return;
}


# the body is what the type says, also where it says nothing

sub encodings {
    for my $name (qw(UTF-16 UTF-16LE UTF-16BE UTF-32 UTF-32LE cp37)) {
        my $body = Encode::encode($name, $BODY);
        for my $type ($JSON, $UTF_8) {
            is(outcome([$type], body => $body), '400 json_invalid',
                "$name as $type");
        }
    }
    is(outcome([$JSON], body => "\xef\xbb\xbf$BODY"), '400 json_invalid',
        'a byte order mark');
    is(outcome([$JSON], body => '{"id":"+AH0-"}'), $JSON,
        'what UTF-7 reads as a brace');

    outcome([$JSON], headers => {'content-encoding' => 'Identity'});
    is($up->header(($up->requests)[-1], 'content-encoding'), undef,
        'no coding is none');
    return;
}


sub further {
    my %to = (uri => '/types/');

    is(outcome(['text/plain; charset=UTF-8'], %to), $UTF_8, 'as SNS has it');
    is(outcome(['Text/Plain'], %to), $JSON, 'without a charset');
    is(outcome(['application/x-www-form-urlencoded'], %to), $JSON, 'a form');
    is(outcome(['application/x-www-form-urlencoded'], %to,
        body => 'id=1&x=2'), '400 json_invalid', '... whose body is one');
    is(outcome([$JSON], %to), $JSON, 'JSON');
    is(outcome(['application/vnd.a+json'], %to), $JSON, '+json');

    my $named = 'application/cloudevents+json';
    is(outcome(['application/CloudEvents+json;a=b'], %to), $named,
        '+json that is named');
    is(outcome(["$named; charset=UTF-8"], %to), "$named; charset=utf-8",
        '... with its charset');

    is(outcome([$_], %to), '415 content_type', "[$_]")
        for 'text/plain; charset=us-ascii', 'text/plain; charset',
        'text/plain, application/json', 'text/html', 'text/plains',
        'text', '';
    is(outcome(['text/plain'], uri => '/types/none'), '415 content_type',
        'not where others are named');
    is(outcome([$named], uri => '/types/none'), $JSON, '... nor +json');
    return;
}


sub places {
    outcome(['application/a+json; x=y; charset="UTF-8"'],
        uri => '/variables');
    my $got = ($up->requests)[-1];
    is($up->header($got, 'x-a'), $UTF_8, '$content_type, looked at before');
    is($up->header($got, 'x-b'), $UTF_8, '$http_content_type');
    is($up->header($got, 'x-c'), 'json', 'a map of it');
    is($t->wait_log(qr/^\/variables/, 5, 'access.log')
        =~ s/^\S+ //r, "200 accepted - [$UTF_8] [$UTF_8]",
        'in the log');

    my $before = $up->requests;
    my $odd = 'application/a+json;x="y"';
    $t->deliver(scheme => 'github', secret => $SECRET, body => $BODY,
        uri => '/mirrored', headers => {'content-type' => $odd});
    is(join(' ', sort map { "$_->{uri} " . $up->header($_, 'content-type') }
        ($up->wait_for($before + 2))[$before .. $before + 1]),
        "/copied $JSON /mirrored $JSON", 'the copy of a mirror');

    is(outcome([$odd], uri => '/observe'), $odd, 'observed, it stays');
    is(outcome([$_], uri => '/observe'), $_, '... whatever it is')
        for 'text/plain', "$JSON; charset=utf-7";
    ok($t->wait_log(qr/^\/observe\S+ 200 refused content_type/, 5,
        'access.log'), '... and is told of');
    return;
}


sub protocols {
    my $listen = IO::Socket::INET->new(LocalAddr => '127.0.0.1',
        LocalPort => $t->port('raw'), Listen => 5, ReuseAddr => 1) or die $!;

    for my $protocol (qw(fastcgi uwsgi scgi)) {
        my $sender = $t->client(0);
        my %request = $t->signed(scheme => 'github', secret => $SECRET,
            body => $BODY, uri => "/$protocol", headers =>
                {'content-type' => 'application/xml+json; charset="UTF-8"'});
        $sender->request(%request, no_read => 1);

        my $bytes = '';
        my $peer = IO::Select->new($listen)->can_read(5) && $listen->accept;
        while ($bytes !~ /\Q{"id":1}/ && IO::Select->new($peer)->can_read(5)) {
            sysread $peer, $bytes, 65536, length $bytes or last;
        }
        close $peer;
        is($sender->read_response->status, 502, "$protocol: sent");
        my @types = $bytes =~ /(application\/[a-z+]+(?:; charset=utf-8)?)/g;
        is("@types", "$UTF_8 $UTF_8", '... both of them');
        unlike($bytes, qr/xml|UTF-8/, '... and nothing as it was');
    }
    return;
}


sub http2 {
    my $send = sub {
        my ($body, @types) = @_;

        my %request = $t->signed(scheme => 'github', secret => $SECRET,
            body => $BODY, headers => {'content-type' => undef});
        my $before = $up->requests;
        my $r = $t->client('h2')->h2(method => 'POST', uri => '/',
            $body ? (body => $BODY) : (), headers => [@{$request{headers}},
                map { ['content-type', $_] } @types]);
        my @got = ($up->requests)[$before .. $up->requests - 1];
        return join ' ', $r->status,
            map { $up->header($_, 'content-type') } @got;
    };

    # what is refused has no body here: curl stumbles over an answer that comes
    # before the end of its upload
    is($send->(0, @$_), 415, 'HTTP/2: ' . join ' and ', @$_)
        for ["$JSON; charset=utf-7"], ['application/xml +json'],
        [$JSON, $JSON], [$JSON, 'text/xml'], ['text/xml', $JSON], [];
    is($send->(1, 'application/a+json; charset="UTF-8"'), "200 $UTF_8",
        'HTTP/2: a good one');
    return;
}


sub configuration {
    my $c = Test::Plum::Config->new(test => $t, parts => {types => ''},
        template => $t->expand(<<'CONF'));
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret key %%TESTDIR%%/key;
    plum_idempotency off;
    server {
        listen 127.0.0.1:%%PORT_0%%;
        location / {
            plum on;
            plum_tls off;
            plum_allow all;
            plum_signature slack secret=key;
            {types}
            proxy_pass http://127.0.0.1:9;
        }
    }
}
CONF
    $c->refused(\*DATA);

    $c->silent("plum_types $_", types => "plum_types $_;")
        for 'text/plain', 'text/plain application/json', 'a/b+json';
    $c->warned('twice', types => 'plum_types a/b c/d A/B;',
        'duplicate media type "a/b"');
    return;
}

__DATA__
types plum_types;
    invalid number of arguments in "plum_types" directive
types plum_types json;
    invalid media type "json", it must be "type/subtype" without parameters and without "*"
types plum_types text/plain application/;
    invalid media type "application/", it must be "type/subtype" without parameters and without "*"
types plum_types "text/plain; charset=utf-8";
    invalid media type "text/plain; charset=utf-8", it must be "type/subtype" without parameters and without "*"
types plum_types " text/plain";
    invalid media type " text/plain", it must be "type/subtype" without parameters and without "*"
types plum_types text/plain,text/html;
    invalid media type "text/plain,text/html", it must be "type/subtype" without parameters and without "*"
types plum_types text/*;
    invalid media type "text/*", it must be "type/subtype" without parameters and without "*"
types plum_types *;
    invalid media type "*", it must be "type/subtype" without parameters and without "*"
types plum_types "";
    invalid media type "", it must be "type/subtype" without parameters and without "*"
types plum_types Multipart/form-data;
    a body of the type "Multipart/form-data" is never JSON, it would always be refused
