#!/usr/bin/perl

# tools/plum-send: what it signs agrees with signatures that others published
# (never with our own verifier); what it sends and says is what was asked.

use strict;
use warnings;

use File::Basename qw(dirname);
use JSON::PP ();
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;
use Test::Plum::Process qw(run_command);

my $t = Test::Plum->new(module => 0);
my $root = $t->root;
my $tool = "$root/tools/plum-send";
my $STAMP = 1614265330;
my $MESSAGE = 'msg_p5jXN8AQM9LWM0D4loKWxJek';
my $BODY = '{"test": 2432232314}';
my $SVIX_KEY = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

my $files = 0;

# schemes of the vectors that no preset is for
my %GENERIC = (
    'hmac-hex' => [],
    'hmac-base64' => ['--encoding', 'base64'],
    'timestamp-dot-body-hex' => ['--content', '{timestamp}.{body}',
        '--timestamp-header', 'x-timestamp'],
);

published_examples();
published_file();
forms_of_a_secret();
templates();
command_line();
over_the_wire();
over_tls();

$t->done_testing;


# --- what is signed

sub published_examples {
    my %rfc = (
        sha256 => '5bdcc146bf60754e6a042426089575c7'
            . '5a003f089d2739839dec58b964ec3843',
        sha384 => 'af45d2e376484031617f78d2b58a6b1b'
            . '9c7ef464f5a01b47e42ec3736322445e'
            . '8e2240ca5e69e2c78b3239ecfab21649',
        sha512 => '164b7a7bfcf819e2e395fbe73b56e0a3'
            . '87bd64222e831fd610270cd7ea250554'
            . '9758bf75c05a994a6d034f65f8f0e6fd'
            . 'caeab1a34d4a6b4b636e070a38bce737',
    );
    for my $name (sort keys %rfc) {
        is(signed('hmac', 'Jefe', 'what do ya want for nothing?', '--header',
            'X-Mac', '--algorithm', $name)->{'x-mac'}, $rfc{$name},
            "RFC 4231, test case 2, $name");
    }

    is(signed('github', q(It's a Secret to Everybody), 'Hello, World!')
        ->{'x-hub-signature-256'}, 'sha256=757107ea0eb2509fc211221cce984b8a'
        . '37570b6d7586c22c46f4379c8b043e17', 'the example in GitHub\'s docs');

    my $sent = signed('standard-webhooks', $SVIX_KEY, $BODY,
        '--secret-encoding', 'whsec', '--id', $MESSAGE, '--timestamp',
        $STAMP);
    is($sent->{'webhook-signature'},
        'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
        'the vector of the Standard Webhooks libraries');
    is($sent->{'webhook-id'}, $MESSAGE, 'its id');
    is($sent->{'webhook-timestamp'}, $STAMP, 'its timestamp');
    return;
}


sub published_file {
    my $path = $ENV{PLUM_VECTORS}
        || "$root/../shared/vectors/webhooks.json";

    SKIP: {
        skip "$path is not here", 1 if !-e $path;
        my $vectors = JSON::PP->new->utf8->decode($t->read_file($path));
        my $seen = 0;
        for my $vector (grep { $_->{expect} eq 'accept' }
            @{$vectors->{vectors}})
        {
            next if ($vector->{algorithm} || '') eq 'hmac-sha1';
            published_vector($vector);
            $seen++;
        }
        cmp_ok($seen, '>=', 15, "vectors of $path");
    }
    return;
}


# everything but the signature is taken from the vector; the signature must
# be one of those that it carries

sub published_vector {
    my ($vector) = @_;

    my %want = map { lc $_ => $vector->{headers}{$_} }
        keys %{$vector->{headers}};
    my ($name) = grep { /signature|hmac/ } sort keys %want;
    my $generic = $GENERIC{$vector->{scheme}};
    my @args = facts(\%want, $name);
    my $secret = $vector->{secret};

    if ($generic) {
        push @args, '--header', $name, @$generic;
        push @args, '--algorithm', $1
            if ($vector->{algorithm} || '') =~ /\Ahmac-(\w+)\z/;
    }
    if (($vector->{algorithm} || '') eq 'ed25519') {
        ($secret) = $vector->{why} =~ /(whsk_\S+)/;
        push @args, '--secret-encoding', 'whsk';
    } elsif ($vector->{scheme} =~ /\A(?:standard-webhooks|svix)\z/) {
        push @args, '--secret-encoding', 'whsec';
    }

    utf8::encode(my $body = $vector->{body});
    my $sent = signed($generic ? 'hmac' : $vector->{scheme}, $secret, $body,
        @args);

    # the vector may carry more items, of other versions or other keys
    my $whole = $want{$name};
    my $got = defined $sent->{$name} ? $sent->{$name} : '';
    my $right = $got eq $whole || $got ne ''
        && !grep { my $item = $_; !grep { $_ eq $item } split /[, ]/, $whole }
            split /[, ]/, $got;
    ok($right, "published: $vector->{id}")
        or diag("sent $got, published $whole");
    return;
}


sub facts {
    my ($want, $signature) = @_;

    my @args;
    for my $name (sort keys %$want) {
        push @args, '--timestamp', $want->{$name}
            if $name =~ /timestamp/;
        push @args, '--id', $want->{$name} if $name =~ /-id\z/;
    }
    push @args, '--timestamp', $1
        if $want->{$signature} =~ /(?:\A|,)t=(\d+)/;
    return @args;
}


sub forms_of_a_secret {
    my $mac = signed('github', 'Jefe', 'x')->{'x-hub-signature-256'};
    is(signed('github', "Jefe\n", 'x')->{'x-hub-signature-256'}, $mac,
        'one trailing newline is no part of the secret');
    isnt(signed('github', "Jefe\n\n", 'x')->{'x-hub-signature-256'}, $mac,
        'a second one is');
    is(signed('github', '4a656665', 'x', '--secret-encoding', 'hex')
        ->{'x-hub-signature-256'}, $mac, 'hex');
    is(signed('github', 'SmVmZQ==', 'x', '--secret-encoding', 'base64')
        ->{'x-hub-signature-256'}, $mac, 'base64');

    my @args = ('--secret-encoding', 'whsk', '--id', $MESSAGE,
        '--timestamp', $STAMP);
    my $published = 'v1a,hnO3f9T8Ytu9HwrXslvumlUpqtNVqkhqw/enGzPCXe5Bdqz'
        . 'CInXqYXFymVJaA7AZdpXwVLPo3mNl8EM+m7TBAg==';
    my $key = 'whsk_6Xb/dCcHpPea21PS1N9VY/NZW723CEc77N4rJCubMbfVKIDij2HKpM'
        . 'KkioLlX0dRqSKJp4AJ6p9lMicMFs6Kvg==';
    SKIP: {
        skip 'Crypt::PK::Ed25519 is not installed', 1
            if !eval { require Crypt::PK::Ed25519; 1 };
        is(signed('standard-webhooks', $key, $BODY, @args)
            ->{'webhook-signature'}, $published, 'Svix\'s Ed25519 vector');
    }
    return;
}


# what a template stands for is compared with the same bytes, signed as they
# are by the scheme that RFC 4231 vouches for

sub templates {
    my $plain = sub {
        my ($bytes) = @_;
        return signed('hmac', 'Jefe', $bytes, '--header', 'X-Mac')
            ->{'x-mac'};
    };
    my $made = sub {
        my ($template, @args) = @_;
        return signed('hmac', 'Jefe', 'B', '--header', 'X-Mac', '--content',
            $template, @args)->{'x-mac'};
    };

    is($made->('{id}/{timestamp}/{body}', '--id', 'I', '--timestamp', 'T'),
        $plain->('I/T/B'), '{id} and {timestamp}');
    is($made->('{body}|{header:X-Me}', '-H', 'x-me: you'),
        $plain->('B|you'), '{header:Name}');
    is($made->('{uri} {body}', '--url', 'https://a.test:8443/p/q?r=1'),
        $plain->('/p/q?r=1 B'), '{uri}');

    my $list = signed('hmac', 'Jefe', 'B', '--header', 'X-Mac', '--format',
        'list', '--prefix', 's=', '--timestamp-header', 'list:t',
        '--timestamp', 7, '--secret-file', secret_file('other'));
    my $other = signed('hmac', 'other', 'B', '--header', 'X-Mac');
    is($list->{'x-mac'}, 't=7,s=' . $plain->('B') . ",s=$other->{'x-mac'}",
        'a list with two signatures and a timestamp');

    my $both = signed('hmac', 'Jefe', 'B', '--header', 'X-Mac', '--scheme',
        'api-key', '--secret-file', secret_file('key'), '--header', 'x-k');
    is($both->{'x-mac'}, $plain->('B'), 'two schemes: the first');
    is($both->{'x-k'}, 'key', 'two schemes: the second');
    return;
}


# --- the command line

sub command_line {
    my $secret = secret_file('not-to-be-shown!');
    my @good = ('--url', 'http://127.0.0.1:1/', '--scheme', 'github',
        '--secret-file', $secret);
    my @bad = (
        ['no scheme', qr/no --scheme/, '--url', 'http://127.0.0.1:1/'],
        ['no address', qr/no --url/, @good[2 .. 5]],
        ['no secret', qr/no --secret-file/, @good[0 .. 3]],
        ['another scheme', qr/unknown scheme "x"; known are: api-key/,
            '--print', '--scheme', 'x', '--secret-file', $secret],
        ['another option', qr/unknown option: bogus/, @good, '--bogus'],
        ['an argument', qr/unexpected argument "x"/, @good, 'x'],
        ['parameters first', qr/must come after a --scheme/,
            '--header', 'x', @good],
        ['a broken address', qr/not an http or https address/, @good,
            '--url', 'ftp://x/'],
        ['a broken header', qr/not a header/, @good, '-H', 'x'],
        ['a header of two lines', qr/not a header/, @good, '-H',
            "a: b\r\nc: d"],
        ['a broken time', qr/not a time/, @good, '--time-offset', 'soon'],
        ['no such secret', qr/cannot read the secret/, @good,
            '--secret-file', '/nonexistent/secret'],
        ['an empty secret', qr/the secret is empty/, @good,
            '--secret-file', secret_file('')],
        ['no such body', qr/cannot read the body/, @good, '--data',
            '/nonexistent/body'],
        ['a secret that is not hex', qr/not hex/, @good,
            '--secret-encoding', 'hex'],
        ['a short Ed25519 secret', qr/has 64 bytes/, @good[0 .. 3],
            '--secret-encoding', 'whsk', '--secret-file',
            secret_file('whsk_YWJj')],
        ['hmac without a header', qr/needs a header/, '--print',
            '--scheme', 'hmac', '--secret-file', $secret],
        ['a template without the body', qr/exactly once/, @good,
            '--content', '{id}'],
        ['a list without a prefix', qr/a list needs a prefix/, @good,
            '--format', 'list', '--prefix', 'x'],
    );

    for my $case (@bad) {
        my ($name, $text, @args) = @$case;
        my ($status, $said) = run_command($tool, @args);
        is($status, 2, "status of $name");
        like($said, $text, "complaint about $name");
        unlike($said, qr/not-to-be-shown!/, "no secret shown for $name");
    }

    my ($status, $help) = run_command($tool, '--help');
    is($status, 0, '--help');
    for my $scheme (Plum::Sign::schemes()) {
        like($help, qr/\b$scheme\b/, "--help names $scheme");
    }
    is(scalar(grep { length $_ > 79 } split /\n/, $help), 0,
        '--help fits a terminal');

    ($status, my $said) = run_command($tool, @good);
    is($status, 1, 'nobody listens');
    like($said, qr/cannot connect to 127\.0\.0\.1 port 1/, 'and it says so');
    return;
}


# --- sending

sub over_the_wire {
    my $up = $t->upstream('up');
    my $url = 'http://127.0.0.1:' . $t->port('up') . '/hook?a=b';
    my @args = ('--url', $url, '--scheme', 'api-key', '--secret-file',
        secret_file('key'));
    my $body = $t->write_file('body', "{\"a\": \"\xc3\xa9\"}\r\n");

    $up->script({status => 202, body => "hello\x1b[2J", headers => [
        ['Content-Type', 'text/plain'], ['Retry-After', '7'],
        ['Allow', 'POST'], ['Location', '/x'], ['X-Other', 'no']]});
    my ($status, $said) = run_command($tool, @args, '--data', $body, '-H',
        'X-Mine: 1', '-H', 'user-agent:', '-H', 'Content-Type: text/xml');
    is($status, 0, '2xx');
    like($said, qr{\AHTTP/1\.1 202 Answer \([\d.]+ ms\)\n}, 'status line');
    like($said, qr/^$_$/m, "shown: $_") for 'content-type: text/plain',
        'retry-after: 7', 'allow: POST', 'location: /x';
    unlike($said, qr/x-other|\x1b/i, 'not shown: the rest');
    like($said, qr/\n\nhello\?\[2J\n\z/, 'the body');

    my ($got) = $up->wait_for(1);
    is("$got->{method} $got->{uri}", 'POST /hook?a=b', 'request line');
    is($got->{body}, "{\"a\": \"\xc3\xa9\"}\r\n", 'the body, to the byte');
    is($up->header($got, 'x-api-key'), 'key', 'the key');
    is($up->header($got, 'x-mine'), 1, 'a header more');
    is($up->header($got, 'content-type'), 'text/xml', 'a header changed');
    is($up->header($got, 'user-agent'), undef, 'a header removed');

    $up->forget->script({status => 401, body => 'z' x 5000}, {},
        {action => 'close'}, {status => 204}, {delay => 3});
    ($status, $said) = run_command($tool, @args);
    is($status, 1, 'a refusal');
    like($said, qr/z \.\.\. \(5000 bytes\)/, 'a long body is cut');
    is((run_command($tool, @args))[0], 0, 'an empty answer');
    ($status, $said) = run_command($tool, @args);
    is($status, 1, 'no answer');
    like($said, qr/no whole answer/, 'and it says so');
    is((run_command($tool, @args))[0], 0, 'no content');
    ($status, $said) = run_command($tool, @args, '--timeout', '0.3');
    is($status, 1, 'a late answer');
    like($said, qr/no answer in time/, 'and it says so');

    many($up, $url);
    token($up, $url);
    return;
}


sub many {
    my ($up, $url) = @_;

    my @args = ('--url', $url, '--scheme', 'standard-webhooks',
        '--secret-file', secret_file('key'), '--count', 3);
    my $all = sub {
        my ($name) = @_;
        return map { $up->header($_, $name) } $up->wait_for(3);
    };

    $up->forget;
    is((run_command($tool, @args, '--time-offset', '-10m'))[0], 0, 'three');
    my %ids = map { $_ => 1 } $all->('webhook-id');
    is(scalar keys %ids, 3, 'each with an id of its own');
    my ($stamp) = $all->('webhook-timestamp');
    cmp_ok(abs(time() - 600 - $stamp), '<', 20, 'ten minutes behind');
    my %bodies = map { $_->{body} => 1 } $up->requests;
    is(scalar keys %bodies, 3, 'each with a sample of its own');
    ok(JSON::PP->new->decode($_)->{data}{orderId}, 'a sample is JSON')
        for sort keys %bodies;

    $up->forget;
    is((run_command($tool, @args, '--id', 'same'))[0], 0, 'three again');
    is(join(' ', $all->('webhook-id')), 'same same same', 'duplicates');
    return;
}


sub token {
    my ($up, $url) = @_;

    $up->forget;
    my $body = $t->write_file('body', '{"auth_token": "{{token}}", "n": 1.0}');
    my ($status) = run_command($tool, '--url', $url, '--scheme',
        'body-token', '--secret-file', secret_file('a"b'), '--data', $body);
    is($status, 0, 'body-token');
    is(($up->wait_for(1))[0]{body}, '{"auth_token": "a\"b", "n": 1.0}',
        'the token is filled in, the rest kept');
    return;
}


sub over_tls {
    $t->write_conf(<<'CONF');
%%GLOBALS%%
events {
}
http {
    %%HTTP_GLOBALS%%
    server {
        listen 127.0.0.1:%%PORT_0%% ssl;
        %%TLS_SERVER%%
        ssl_verify_client optional;
        ssl_client_certificate %%TESTDIR%%/ca.crt;
        return 200 "client: $ssl_client_verify";
    }
}
CONF
    $t->run;

    my $dir = $t->dir;
    my @args = ('--url', 'https://localhost:' . $t->port(0) . '/',
        '--scheme', 'github', '--secret-file', secret_file('key'));

    my ($status, $said) = run_command($tool, @args);
    is($status, 1, 'a certificate that nobody vouches for');
    like($said, qr/certificate verify failed/, 'and it says so');
    ($status, $said) = run_command($tool, @args, '--insecure');
    is($status, 0, '--insecure');
    like($said, qr/client: NONE/, 'no client certificate');
    ($status, $said) = run_command($tool, @args, '--cacert', "$dir/ca.crt",
        '--cert', "$dir/client.crt", '--key', "$dir/client.key");
    is($status, 0, '--cacert');
    like($said, qr/client: SUCCESS/, 'a client certificate');
    ($status) = run_command($tool, @args, '--cacert', "$dir/other-ca.crt");
    is($status, 1, 'another authority');
    return;
}


# --- helpers

sub secret_file {
    my ($bytes) = @_;
    return $t->secret('secret-' . ++$files, $bytes);
}


# the headers that --print shows, by lower-case name

sub signed {
    my ($scheme, $secret, $body, @args) = @_;

    my ($status, $text) = run_command($tool, '--print', '--scheme', $scheme,
        '--secret-file', secret_file($secret), '--data',
        $t->write_file('to-sign', $body), @args);
    diag("plum-send: $text") if $status != 0;
    return {map { /\A([^:]+): (.*)\z/ ? (lc $1 => $2) : () }
        split /\n/, $text};
}
