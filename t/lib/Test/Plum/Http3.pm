package Test::Plum::Http3;

# One HTTP/3 connection after another, a frame at a time: t/lib/http3-client,
# which keeps the TLS sessions between them.
#
#   my $h3 = Test::Plum::Http3->new($t, 'quic');
#   $h3->connect(name => 'localhost', cert => 'client', early => 1);
#   my $stream = $h3->open(%request);       # what $t->signed() returns
#   $h3->data($stream, $bytes, $end);
#   $h3->answer($stream)->{status};         # headers, body, error, early
#   $h3->request(%request)                  # all of that, with the body

use strict;
use warnings;

use IO::Handle ();
use JSON::PP ();

use Test::Plum::Process qw(spawn_sub end_process run_command);


# why it cannot be used here; undef if it can

sub missing {
    my ($status) = run_command('python3', '-c', 'import aioquic');
    return $status == 0 ? undef : 'no aioquic (Debian: python3-aioquic)';
}


sub new {
    my ($class, $t, $port) = @_;

    $t->certificates;
    pipe my $commands, my $to or die "pipe: $!";
    pipe my $from, my $replies or die "pipe: $!";

    my $pid = spawn_sub(sub {
        CORE::close($_) for $to, $from;
        CORE::open(STDIN, '<&', $commands) or die "stdin: $!";
        CORE::open(STDOUT, '>&', $replies) or die "stdout: $!";
        exec { 'python3' } 'python3', $t->root . '/t/lib/http3-client'
            or die "python3: $!\n";
    });
    CORE::close($_) for $commands, $replies;
    $to->autoflush(1);

    return bless {t => $t, port => $t->port($port), pid => $pid, to => $to,
        from => $from}, $class;
}


sub _do {
    my ($self, $command, %with) = @_;

    print {$self->{to}} JSON::PP::encode_json({do => $command, %with}), "\n";
    my $line = readline $self->{from};
    die "http3-client has ended\n" if !defined $line;
    return JSON::PP::decode_json($line);
}


# %opt: port (another than that of new()), name (that is asked for), cert (a
# name, as for Test::Plum::Client), early

sub connect {
    my ($self, %opt) = @_;

    my %to = (name => $opt{name} || 'localhost',
        port => $opt{port} ? $self->{t}->port($opt{port}) : $self->{port},
        early => $opt{early} ? JSON::PP::true() : JSON::PP::false());
    if ($opt{cert}) {
        $to{cert} = $self->{t}->path("$opt{cert}.crt");
        $to{key} = $self->{t}->path("$opt{cert}.key");
    }
    return $self->_do('connect', %to);
}


# the header of a request; length: undef for none; end: there is no body

sub open {
    my ($self, %opt) = @_;

    my @fields = ([':method', $opt{method} || 'GET'], [':scheme', 'https'],
        [':authority', $opt{host} || 'localhost'],
        [':path', $opt{uri} || '/']);
    my $length = exists $opt{length} ? $opt{length} : length($opt{body} || '');
    push @fields, ['content-length', "$length"] if defined $length;
    push @fields, map { [lc $_->[0], "$_->[1]"] } @{$opt{headers} || []};

    return $self->_do('open', headers => \@fields,
        end => $opt{end} ? JSON::PP::true() : JSON::PP::false())->{stream};
}


sub data {
    my ($self, $stream, $bytes, $end) = @_;
    return $self->_do('data', stream => $stream, bytes => $bytes,
        end => $end ? JSON::PP::true() : JSON::PP::false());
}


sub reset { return $_[0]->_do('reset', stream => $_[1]) }
sub stop { return $_[0]->_do('stop', stream => $_[1]) }
sub answer { return $_[0]->_do('answer', stream => $_[1]) }
sub close { return $_[0]->_do('close') }
sub vanish { return $_[0]->_do('vanish') }


sub request {
    my ($self, %opt) = @_;

    my $stream = $self->open(%opt);
    $self->data($stream, $opt{body} || '', 1);
    return $self->answer($stream);
}


sub DESTROY {
    my ($self) = @_;
    local ($., $@, $!, $^E, $?);
    CORE::close($self->{to});
    end_process($self->{pid});
}

1;
