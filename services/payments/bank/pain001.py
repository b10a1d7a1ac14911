"""Payment orders to a bank: pain.001.001.09, one message per batch, the same bytes for the same batch for ever."""

from dataclasses import replace
from datetime import datetime, time
from decimal import Decimal

from pyiso20022.pain import pain_001_001_09 as iso
from xsdata.formats.dataclass.serializers import XmlSerializer
from xsdata.models.datatype import XmlDate, XmlDateTime

from services.payments.bank import amounts
from services.payments.bank.orders import Debtor, Instruction, Message, Unsound, unfit, unfit_batch
from services.payments.bank.pain001_reading import CLEARING_SYSTEM, NAMESPACE, check, read
from shared.calendar import SHANGHAI

__all__ = ["NAMESPACE", "Debtor", "Instruction", "Message", "Unsound", "build", "check", "read", "unfit"]


def build(message: Message) -> bytes:
    """The message as a file, valid by the published XSD and by `check`. Raises Unsound, SchemaMissing."""
    faults = unfit_batch(message)
    if faults:
        raise Unsound(faults)
    document = XmlSerializer().render(_document(message), ns_map={None: NAMESPACE}).encode()
    if read(document) != replace(message, instructions=tuple(message.instructions)):
        raise Unsound([f"The file of batch {message.batch_id} does not say what the batch says."])
    return document


def _document(message: Message) -> iso.Document:
    count = str(len(message.instructions))
    total = _decimal(sum(instruction.amount_fen for instruction in message.instructions))
    debtor = message.debtor
    return iso.Document(
        cstmr_cdt_trf_initn=iso.CustomerCreditTransferInitiationV09(
            grp_hdr=iso.GroupHeader85(
                msg_id=message.batch_id,
                cre_dt_tm=XmlDateTime.from_datetime(datetime.combine(message.on, time(), SHANGHAI)),
                nb_of_txs=count,
                ctrl_sum=total,
                initg_pty=_party(debtor.name),
            ),
            pmt_inf=[
                iso.PaymentInstruction30(
                    pmt_inf_id=message.batch_id,
                    pmt_mtd=iso.PaymentMethod3Code.TRF,
                    # One entry per payment on the statement, or the bank's notice could not name them.
                    btch_bookg=False,
                    nb_of_txs=count,
                    ctrl_sum=total,
                    pmt_tp_inf=iso.PaymentTypeInformation26(
                        ctgy_purp=iso.CategoryPurpose1Choice(prtry=message.programme)
                    ),
                    reqd_exctn_dt=iso.DateAndDateTime2Choice(dt=XmlDate.from_date(message.on)),
                    dbtr=_party(debtor.name),
                    dbtr_acct=_account(debtor.account_number),
                    dbtr_agt=_agent(debtor.bank_code),
                    cdt_trf_tx_inf=[_transaction(instruction) for instruction in message.instructions],
                )
            ],
        )
    )


def _transaction(instruction: Instruction) -> iso.CreditTransferTransaction34:
    return iso.CreditTransferTransaction34(
        pmt_id=iso.PaymentIdentification6(instr_id=instruction.payment_id, end_to_end_id=instruction.payment_id),
        amt=iso.AmountType4Choice(
            instd_amt=iso.ActiveOrHistoricCurrencyAndAmount(
                value=_decimal(instruction.amount_fen), ccy=amounts.CURRENCY
            )
        ),
        cdtr_agt=_agent(instruction.bank_code),
        cdtr=_party(instruction.account_name),
        cdtr_acct=_account(instruction.account_number),
    )


def _decimal(amount_fen: int) -> Decimal:
    return Decimal(amounts.written(amount_fen))


def _party(name: str) -> iso.PartyIdentification135:
    return iso.PartyIdentification135(nm=name)


def _account(number: str) -> iso.CashAccount38:
    return iso.CashAccount38(id=iso.AccountIdentification4Choice(othr=iso.GenericAccountIdentification1(id=number)))


def _agent(bank_code: str) -> iso.BranchAndFinancialInstitutionIdentification6:
    member = iso.ClearingSystemMemberIdentification2(
        clr_sys_id=iso.ClearingSystemIdentification2Choice(cd=CLEARING_SYSTEM), mmb_id=bank_code
    )
    return iso.BranchAndFinancialInstitutionIdentification6(
        fin_instn_id=iso.FinancialInstitutionIdentification18(clr_sys_mmb_id=member)
    )
