/** The mails that an account begins with: `{ raw, labels, thread }`, oldest first; `thread`: of the one before. */
export function seedMails(account) {
  const mails = Array.from({ length: 12 }, (_, n) => ({
    raw: letter(account, n),
    labels: n % 2 ? ['INBOX'] : ['INBOX', 'UNREAD'],
  }));
  mails.push({ raw: withAttachment(account), labels: ['INBOX', 'IMPORTANT'] });
  mails.push({ raw: conversation(account, 1), labels: ['INBOX'] });
  mails.push({ raw: conversation(account, 2), labels: ['SENT'], thread: true });
  mails.push({ raw: conversation(account, 3), labels: ['INBOX', 'UNREAD'], thread: true });
  return mails;
}

const head = (account, subject, id, more = []) => [
  `From: Friend of ${account} <friend@${account}.example>`,
  `To: ${account}@gmail.example`,
  `Subject: ${subject}`,
  `Message-ID: <${id}@${account}.example>`,
  'Date: Mon, 16 Jun 2025 10:00:00 +0000',
  'MIME-Version: 1.0',
  ...more,
];
const mail = (lines) => Buffer.from(lines.join('\r\n'), 'latin1');

/** Text in Latin-1 as quoted-printable, and HTML in UTF-8 as base64. */
function letter(account, n) {
  return mail([
    ...head(account, `=?utf-8?Q?Letter_${n}_f=C3=BCr_${account}?=`, `letter-${n}`),
    'Content-Type: multipart/alternative; boundary="alt"',
    '',
    '--alt',
    'Content-Type: text/plain; charset=iso-8859-1',
    'Content-Transfer-Encoding: quoted-printable',
    '',
    `Gr=FC=DFe ${n} an ${account}`,
    '--alt',
    'Content-Type: text/html; charset=utf-8',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from(`<p>Grüße ${n} an <b>${account}</b></p>`).toString('base64'),
    '--alt--',
    '',
  ]);
}

function withAttachment(account) {
  return mail([
    ...head(account, `Report of ${account}`, 'report'),
    'Content-Type: multipart/mixed; boundary="mix"',
    '',
    '--mix',
    'Content-Type: text/plain; charset=utf-8',
    '',
    'See the attachment.',
    '--mix',
    'Content-Type: application/pdf; name="report.pdf"',
    'Content-Disposition: attachment; filename="report.pdf"',
    'Content-Transfer-Encoding: base64',
    '',
    Buffer.from(`%PDF of ${account}`).toString('base64'),
    '--mix--',
    '',
  ]);
}

function conversation(account, n) {
  const before =
    n > 1
      ? [
          `In-Reply-To: <talk-${n - 1}@${account}.example>`,
          `References: ${Array.from({ length: n - 1 }, (_, i) => `<talk-${i + 1}@${account}.example>`).join(' ')}`,
        ]
      : [];
  const subject = n > 1 ? `Re: Talk of ${account}` : `Talk of ${account}`;
  return mail([
    ...head(account, subject, `talk-${n}`, before),
    'Content-Type: text/plain; charset=utf-8',
    '',
    `talk ${n} of ${account}`,
  ]);
}
